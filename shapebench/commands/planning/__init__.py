"""A fleet for a load or a day of traffic, its manifests, and a run that checks the forecast."""
