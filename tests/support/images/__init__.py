"""Packs this project into container images without a container engine, for a node that imports them."""
