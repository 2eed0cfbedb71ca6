"""How long a run is: the load of a short one, and how precise both lengths are."""

from stacks.load_profiles import CapacitySearch

# A short run ends after a third of the time of the profile `capacity`, or at an interval this wide (docs/adr/0057).
_SHORT_S, _SHORT_PRECISION = 90.0, 0.3
# The standard deviation of the logarithm of a full run's capacity at p99, for searches of the profile `capacity` on
# simulated servers (docs/adr/0057): 2.5 to 3.7 %.
FULL_LOG_SD = 0.035


def short_load(load: CapacitySearch) -> CapacitySearch:
    """The load of a short run for the same objective; never longer than the load itself, nor more precise."""
    return load.model_copy(
        update={
            "precision": max(load.precision, _SHORT_PRECISION),
            "duration_s": min(load.duration_s, _SHORT_S),
        }
    )
