"""The model of one replica, fitted to the rows of a run: its throughput by load, and its service times."""
