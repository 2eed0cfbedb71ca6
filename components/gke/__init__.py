"""The Google Cloud resources of a stack: network, cluster, node pools, bucket, service accounts."""
