"""Starts the generator, as a process or in a pod, and follows it to its end. What it measured is result/."""
