"""Thresholds that decide both whether a run is valid and what its bottleneck is.

docs/measurement.md gives the reason for each.
"""

# A generator process sends with one thread. A second in which it used more than this of a core is a busy one.
GENERATOR_BUSY_CORES = 0.9
# A run in which more than this share of the seconds that count was busy measured the generator, not the server.
GENERATOR_BUSY_SHARE = 0.1
