"""Results stores with known true values, made by simulation. No requests are sent for them."""
