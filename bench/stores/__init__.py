"""Results stores with known true values, made by simulation."""
