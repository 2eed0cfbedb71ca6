"""The APIs of the embedded server, REST and gRPC, and what they share."""
