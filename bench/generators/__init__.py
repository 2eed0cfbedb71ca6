"""Load generators that benchmarks compare."""
