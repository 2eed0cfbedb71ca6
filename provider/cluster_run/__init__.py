"""A run in a cluster, from its record to its storage, also by a later update. The Job itself is cluster/."""
