"""The load generator. Ships whole into its pod: it imports only the standard library, Locust and gRPC."""
