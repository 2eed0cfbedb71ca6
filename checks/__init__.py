"""What `make check` looks at besides formatting, lint and types. Each module's `problems` lists what is wrong."""
