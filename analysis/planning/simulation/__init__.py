"""The simulation of a fleet, request by request, from the model of one replica. Reads no run."""
