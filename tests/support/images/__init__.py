"""Builds container images of this project without a container engine, for tests on a real node."""
