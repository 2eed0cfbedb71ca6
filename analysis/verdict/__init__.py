"""The verdict: which variant is best for an objective, how sure that is, and what would settle what is open."""
