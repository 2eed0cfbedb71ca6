"""Sweeps: measure many candidates on many stacks, decide early, resume, and leave nothing behind."""
