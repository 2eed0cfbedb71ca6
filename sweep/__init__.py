"""Sweeps: measure many candidates, find the cheapest with few runs, and destroy every stack. Can be resumed."""
