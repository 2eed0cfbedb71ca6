"""The load test in a cluster: its Job, from creation to deletion, through the Kubernetes API. It stores no run."""
