"""Plans for a load: a scaling law and a simulation of fleets, fitted to measured runs. Ranks no variants."""
