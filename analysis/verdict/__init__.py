"""The verdict: which variant is the best for an objective, how certain that is, and what to run next."""
