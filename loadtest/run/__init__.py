"""Starts the generator, as a process here or as a pod, and follows it to its end."""
