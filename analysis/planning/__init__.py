"""From measured capacity to a fleet of another size: a scaling model, a simulation, and the plan that rests on both."""
