"""Thresholds that decide both whether a run is valid and what its bottleneck is.

docs/measurement.md gives the reason for each.
"""

# A generator process sends with one thread. A second in which it used more than this of a core is a busy one.
GENERATOR_BUSY_CORES = 0.9
# A run in which more than this share of the seconds that count was busy measured the generator, not the server.
GENERATOR_BUSY_SHARE = 0.1

# Other programs that took more than this share of the cores that server and generator can use may have changed the
# capacity by more than the interval of a search covers.
OTHERS_SHARE = 0.05
# On a cluster's node daemons are part of what is priced: GKE's DaemonSets request about 490 millicores on each node
# (docs/google-cloud-facts.md), whatever its size.
DAEMON_CORES = 0.5
