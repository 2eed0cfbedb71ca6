"""Clients of the model server, one per protocol: send a request, check the answer."""
