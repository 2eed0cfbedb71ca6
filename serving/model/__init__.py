"""One SavedModel in memory: its signature, its versions, and batched runs of it."""
