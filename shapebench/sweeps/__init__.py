"""The command `shapebench sweep`: its options, its plan, what it shows and writes while it runs, and its answer."""
