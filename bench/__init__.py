"""Benchmarks: each runs both sides in one go, prints one line a figure and writes build/bench/<name>.json."""
