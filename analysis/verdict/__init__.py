"""The verdict: which variant is the best for an objective, how certain, what to run next. Figures are statistics/."""
