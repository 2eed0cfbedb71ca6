"""What the rows and samples of one run say of it: its bottleneck, and what disturbed it."""
