"""What a load test measured: rows, samples, outcome, and every check of whether it is valid."""
