"""The server and its model: on this machine, and as pods of a cluster. The cluster itself is gke/."""
