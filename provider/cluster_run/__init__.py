"""A run in a cluster, from its record to its storage, also by another update than the one that started it."""
