"""What the rows of one run say about the capacity, for any objective. No choice between runs and no prices."""
