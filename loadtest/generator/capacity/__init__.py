"""The capacity search: which rate next, and whether a rate keeps the objective."""
