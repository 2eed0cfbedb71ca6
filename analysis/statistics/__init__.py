"""Figures with 95 % intervals: from one run's rows, and over the repeats of a variant. See docs/statistics.md."""
