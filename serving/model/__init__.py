"""The model in memory: a loaded SavedModel, its signatures, and batching. Knows nothing of REST and gRPC."""
