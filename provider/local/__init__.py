"""Processes on this machine: the server that the local platform starts, and how it is found again. No generator."""
