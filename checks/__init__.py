"""The project's own checks in `make check`: each module's `problems` yields a line for each. No linter's work."""
