"""Compare node shapes for serving a TensorFlow model: the command, and its public interface for notebooks."""

from shapebench.interface import Answer, Objective, ShapebenchError, Store, Terms, prices

__all__ = ["Answer", "Objective", "ShapebenchError", "Store", "Terms", "prices"]
