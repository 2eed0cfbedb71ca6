"""Fleets with known truth for grading plans: an independent simulation, and the regimes that are graded."""
