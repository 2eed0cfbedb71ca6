"""Simulated fleets with known truth, which plans and sweeps are graded on. The grading itself is one folder up."""
