"""Runs a sweep: the next task of each stack, limits, snapshots for display. Knows stacks only by `sweep.fleet`."""
