"""What a server runs on: node shapes, the cluster that they are in, and the quotas that they take."""
