"""Figures with 95 % intervals: of a run's rows, and over the repeats of a variant. Variants are ranked in verdict/."""
