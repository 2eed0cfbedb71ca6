"""A simulated fleet behind `sweep.fleet`: clouds, failures and time, all made up. Nothing here is a measurement."""
