"""What Google Cloud holds for a stack: network, cluster, node pools, bucket, identities."""
