"""Builds and runs a Kubernetes cluster of one real node in namespaces of its own. Linux and root only."""
