"""The result of a load test: rows, samples, outcome, and every check of whether it is valid."""
