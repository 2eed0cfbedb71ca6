"""The Google Cloud resources of a stack: network, cluster, node pools, bucket, accounts. Nothing inside the cluster."""
