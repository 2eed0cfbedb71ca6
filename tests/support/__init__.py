"""What tests of more than one room or tier need: stand-ins, a real Kubernetes and node, images. No tests."""
