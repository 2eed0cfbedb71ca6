"""Stores the runs of a load test in the results store, and their headline figures in the state. Starts no generator."""
