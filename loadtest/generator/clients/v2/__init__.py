"""Clients of the Open Inference Protocol v2, over REST and over gRPC: made of those of rest/ and grpc/."""
