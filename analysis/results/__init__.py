"""The results store and everything read from one run of it."""
