"""One component for each place where a stack can run: what a stack declares there, as a whole."""
