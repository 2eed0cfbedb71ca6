"""Servers that benchmarks measure against."""
