"""The capacity search: which rate next, and whether a rate meets the objective. It sends no request itself."""
