"""Sweeps: measure many candidates, find the cheapest with few runs, destroy every stack. No verdict is made here."""
