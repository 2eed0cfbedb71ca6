"""What one run says about the capacity, for an objective."""
