"""What is kept of a load test: rows and manifest in the results store, headline figures in the state."""
