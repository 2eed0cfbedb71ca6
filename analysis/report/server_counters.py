"""What the servers' own counters say of a run: sentences for its head, and a table by replica."""

from analysis.formatting import count, number, percent
from analysis.report.tables import Table
from analysis.results.run.counters import ServerCounters

UNKNOWN = "Server counters: none, since the servers have no metrics page or it could not be read."
_NUMBERS = (
    "requests", "share, %", "failed", "in the server, ms", "in TensorFlow, ms", "in the batching queue, ms",
    "requests per batch",
)  # fmt: skip


def sentences(counted: ServerCounters | None) -> list[str]:
    if counted is None:
        return [UNKNOWN]
    idle = [replica.name for replica in counted.replicas if not replica.ok + replica.failed]
    unused = [f"{', '.join(idle)} answered no request in {_period(counted)}."] if idle else []
    return [_requests(counted), *unused, *_latency(counted), *_batches(counted)]


def counters_table(name: str, counted: ServerCounters) -> Table:
    total = sum(replica.ok + replica.failed for replica in counted.replicas)
    rows = (
        (
            replica.name,
            count(replica.ok + replica.failed),
            percent((replica.ok + replica.failed) / total) if total else number(None),
            count(replica.failed),
            *map(number, (replica.latency_ms, replica.runtime_ms, replica.queued_ms, replica.requests_a_batch)),
        )
        for replica in counted.replicas
    )
    caption = f"From the first to the last reading in {_period(counted)}. Times are means of successful requests."
    return Table.of(f"Server counters of {name}", ("replica",), _NUMBERS, rows, caption)


def _requests(counted: ServerCounters) -> str:
    servers = "The server" if len(counted.replicas) == 1 else f"The {len(counted.replicas)} replicas"
    both = f"{servers} counted {count(counted.counted)} requests in the whole run, the generator sent"
    more = counted.counted - counted.sent
    if more > 0:
        return f"{both} {count(counted.sent)}. The rest, {count(more)}, came from another client, or was counted twice."
    if more < 0:
        return (
            f"{both} {count(counted.sent)}. The rest, {count(-more)}, did not arrive, was refused, was not answered yet"
            " when the counters were read, or went to a replica whose counters are missing."
        )
    return f"{both} as many."


def _period(counted: ServerCounters) -> str:
    return "the whole run, warm-up included" if counted.whole_run else "the counted phase"


def _latency(counted: ServerCounters) -> list[str]:
    inside_ms = _mean([(replica.latency_ms, replica.ok) for replica in counted.replicas])
    if inside_ms is None or counted.outside_ms is None:
        return []
    inside, outside = number(inside_ms), number(counted.outside_ms)
    return [f"Mean latency of a request: {inside} ms inside the server, {outside} ms from send to last byte."]


def _batches(counted: ServerCounters) -> list[str]:
    queued_ms = _mean([(replica.queued_ms, replica.ok) for replica in counted.replicas])
    at_once = _mean([(replica.requests_a_batch, replica.ok) for replica in counted.replicas])
    if queued_ms is None or at_once is None:
        return []
    return [
        f"Batching: {number(queued_ms)} ms mean wait in the queue, {number(at_once)} requests per batch on average."
    ]


def _mean(values: list[tuple[float | None, int]]) -> float | None:
    """The mean over replicas that have the value, weighted by their answers."""
    known = [(value, weight) for value, weight in values if value is not None]
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if weights else None
