"""A day of traffic: a fleet for its peak or an autoscaled one, what each costs, and a run that checks it."""
