"""Clients of TensorFlow Serving's REST predict call, and of uploads. Need no gRPC."""
