"""Clients of the model server, one per protocol: send a request, check the answer. When it is sent is loops/."""
