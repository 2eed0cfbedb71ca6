"""Servers that benchmarks send requests to, and how they are started and ended. What asks them is generators/."""
