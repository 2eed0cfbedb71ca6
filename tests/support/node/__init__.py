"""A real node of a real Kubernetes on this machine, in namespaces of its own: real containers. Linux and root only."""
