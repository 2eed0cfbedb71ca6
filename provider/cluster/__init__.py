"""The Kubernetes API as a load test in a cluster needs it: its Job, its pods, their states."""
