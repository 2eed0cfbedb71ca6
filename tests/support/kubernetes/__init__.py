"""A Kubernetes of real programs on this machine, for the tiers of tests that need one. Linux only."""
