"""From a forecast day to Kubernetes manifests: the fleet that was chosen, as `kubectl apply` takes it.

Nothing here measures or ranks, and nothing here creates anything.
"""
