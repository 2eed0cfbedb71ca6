"""Short and full capacity searches of a sweep: how long they take, and how precise they are."""

from stacks.load_profiles import CapacitySearch
from sweep.tasks import Length, Measure

_SHORT_PRECISION, _SHORT_S = 0.3, 90
# The standard deviation of the logarithm of the capacity that searches of the profile `capacity` find on simulated
# servers at p99, where it is largest: 4.6 to 7.1 %, and 2.3 to 3.7 % (docs/adr/0057).
LOG_SD = {Length.short: 0.07, Length.full: 0.035}


def short_load(load: CapacitySearch) -> CapacitySearch:
    """The search that ends at an interval three times as wide, or after a minute and a half."""
    return load.model_copy(
        update={
            "precision": max(load.precision, _SHORT_PRECISION),
            "duration_s": min(load.duration_s, _SHORT_S),
        }
    )


def load_of(task: Measure) -> CapacitySearch:
    """The search that a task makes."""
    return short_load(task.candidate.load) if task.length == Length.short else task.candidate.load
