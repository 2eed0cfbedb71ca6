"""Benchmarks. Each runs both sides in one go, prints a line a figure and writes build/bench/<name>.json. No tests."""
