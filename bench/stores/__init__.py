"""Results stores whose truth is known, made by simulation."""
