"""A Google Cloud Storage for tests: a real object-store server on the loopback, and how it is built."""
