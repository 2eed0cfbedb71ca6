"""The project's own checks in `make check`, beside the linters. Each module's `problems` returns a line for each."""
