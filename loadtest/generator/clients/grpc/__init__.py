"""Clients of TensorFlow Serving's gRPC predict call. Needs gRPC and protobuf."""
