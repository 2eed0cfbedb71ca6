"""The part of a run's report that says what the servers themselves counted."""

from analysis.formatting import count, number, percent
from analysis.results.counters import ServerCounters

COLUMNS = (
    "Replica",
    "Requests",
    "Share, %",
    "Of them failed",
    "In the server, ms",
    "In TensorFlow, ms",
    "In the queue, ms",
    "Requests a batch",
)
UNKNOWN = "What the servers themselves counted is not known: they have no page of counters, or it could not be read."


def sentences(counted: ServerCounters | None) -> list[str]:
    """What their counters say beside what the generator saw, in plain words."""
    if counted is None:
        return [UNKNOWN]
    return [_of_counts(counted), *_of_idle_ones(counted), *_of_latency(counted), *_of_batches(counted)]


def rows(counted: ServerCounters) -> list[tuple[str, ...]]:
    """The table's rows, in the order of COLUMNS."""
    total = sum(replica.ok + replica.failed for replica in counted.replicas)
    return [
        (
            replica.name,
            count(replica.ok + replica.failed),
            percent((replica.ok + replica.failed) / total) if total else number(None),
            count(replica.failed),
            number(replica.latency_ms),
            number(replica.runtime_ms),
            number(replica.queued_ms),
            number(replica.requests_a_batch),
        )
        for replica in counted.replicas
    ]


def caption(counted: ServerCounters) -> str:
    """Of which part of the run the table is."""
    when = "the whole run, warm-up included" if counted.whole_run else "the phase that counts"
    return f"What the servers themselves counted, from the first to the last reading in {when}; means of the successes"


def _of_counts(counted: ServerCounters) -> str:
    who = "The server" if len(counted.replicas) == 1 else f"The {len(counted.replicas)} replicas"
    said = f"{who} counted {count(counted.counted)} requests in the whole run, and {count(counted.sent)} were sent"
    more = counted.counted - counted.sent
    if more > 0:
        return f"{said}: {count(more)} came from somebody else, or twice."
    if more < 0:
        return f"{said}: {count(-more)} did not arrive, or were not answered yet when the counters were read."
    return f"{said}: every one of them."


def _of_idle_ones(counted: ServerCounters) -> list[str]:
    idle = [replica.name for replica in counted.replicas if not replica.ok + replica.failed]
    return [f"{', '.join(idle)} answered nothing in that time."] if idle else []


def _of_latency(counted: ServerCounters) -> list[str]:
    inside_ms = _mean([(replica.latency_ms, replica.ok) for replica in counted.replicas])
    if inside_ms is None or counted.outside_ms is None:
        return []
    inside, outside = number(inside_ms), number(counted.outside_ms)
    return [
        f"On average a request took {inside} ms inside the server, and {outside} ms from being sent to its last byte."
    ]


def _of_batches(counted: ServerCounters) -> list[str]:
    queued_ms = _mean([(replica.queued_ms, replica.ok) for replica in counted.replicas])
    at_once = _mean([(replica.requests_a_batch, replica.ok) for replica in counted.replicas])
    if queued_ms is None or at_once is None:
        return []
    return [f"It waited {number(queued_ms)} ms for its batch, in which {number(at_once)} requests were on average."]


def _mean(values: list[tuple[float | None, int]]) -> float | None:
    """Of the replicas that know, by how much each answered."""
    known = [(value, weight) for value, weight in values if value is not None]
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if weights else None
