"""Short and full capacity searches of a sweep: how long they take, and how precise they are."""

from stacks.load.load_profiles import CapacitySearch
from sweep.tasks import Length, Measure

_SHORT_PRECISION, _SHORT_S = 0.3, 90
# With fewer, the search could not make its steps as long as the latency limit asks for: 25 limits, and a sixth of it
# (loadtest/generator/capacity/search.py).
_SHORT_LATENCIES = 150
# The standard deviation of the logarithm of the capacity that searches of the profile `capacity` find on simulated
# servers at p99, where it is largest: 4.6 to 7.1 %, and 2.3 to 3.7 % (docs/adr/0057).
LOG_SD = {Length.short: 0.07, Length.full: 0.035}


def short_load(load: CapacitySearch) -> CapacitySearch:
    """The search that ends at an interval three times as wide, or sooner: after 90 s with a limit of up to 600 ms."""
    longest_s = max(_SHORT_S, _SHORT_LATENCIES * load.latency_ms / 1000)
    return load.model_copy(
        update={
            "precision": max(load.precision, _SHORT_PRECISION),
            "duration_s": min(load.duration_s, longest_s),
        }
    )


def load_of(task: Measure) -> CapacitySearch:
    """The search that a task makes."""
    return short_load(task.candidate.load) if task.length == Length.short else task.candidate.load
