"""One module per command: it does the work and prints the result. Options are read one folder up."""
