"""Benchmarks. Each measures both sides in one run, prints one line a figure and writes build/bench/<name>.json."""
