"""What only tests need: Kubernetes and node builders, image packer, stand-ins."""
