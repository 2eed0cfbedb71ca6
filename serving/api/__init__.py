"""The embedded server's REST and gRPC APIs, and what both share."""
