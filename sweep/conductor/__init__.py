"""Runs a sweep: what each stack does next, limits, the live view. Knows stacks only by `sweep.fleet`."""
