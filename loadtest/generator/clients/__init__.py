"""Clients of one model server, one a protocol: send a request, check the answer."""
