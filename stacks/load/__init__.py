"""What a load is: its profile, what requests carry, the objective, and what else a measurement needs to know."""
