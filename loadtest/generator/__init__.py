"""What Locust runs. Ships whole into the generator pod: it imports the standard library, Locust and gRPC only."""
