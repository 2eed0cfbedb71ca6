"""Whether the same servers answered from beginning to end, and whether each had its share of the load."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.run.counters import requests_by_replica
from loadtest.generator.clients.client import NO_THREAD
from loadtest.generator.plan import LoadPlan, LoadTestPlan
from loadtest.result.servers import Servers

# A replica that answered less than this share of an even split leaves the work, and the latency, to the others.
_FAIR_SHARE = 0.5

_CHANGED = (
    "so fewer servers answered for a part of the test; check the server's log and its memory limit, and run again"
)
_CHANGED_SOME_TIME = "so it is not known whether all servers answered until the end of the test; run again"


def server_change_reasons(servers: Servers) -> tuple[str, ...]:
    """Whether a server was replaced, restarted or lost during the test, or the servers differ."""
    before, after = ({server.uid: server for server in seen} for seen in (servers.before, servers.after))
    successors = [server.name for uid, server in after.items() if uid not in before]
    reasons = []
    when, end, follows = "during the test", "at the end of the test", _CHANGED
    if servers.seen_late:
        when, end, follows = "during the test or after it", "when the rows were fetched", _CHANGED_SOME_TIME
    for uid, server in before.items():
        if uid not in after:
            if servers.autoscaled:
                continue
            by = f" by {', '.join(successors)}" if successors else ""
            reasons.append(f"server {server.name} was replaced {when}{by}, {follows}")
        elif (restarts := after[uid].restarts - server.restarts) > 0:
            reasons.append(f"server {server.name} restarted {when} ({restarts} times), {follows}")
        elif not after[uid].ready and not servers.autoscaled:
            reasons.append(f"server {server.name} was not ready any more {end}, {follows}")
    if len(images := {server.image for server in servers.before if server.image}) > 1:
        reasons.append(
            f"the servers run different images ({', '.join(sorted(images))}), so the figures are not those of one"
            " server version; set the image by digest"
        )
    return tuple(reasons)


def refused_call_reasons(rows: pa.Table, plan: LoadTestPlan) -> tuple[str, ...]:
    """Whether gRPC refused calls, in any phase: a capacity search, too, then finds its limit and not the server's."""
    refused = pc.sum(pc.equal(rows["error"], NO_THREAD)).as_py()
    if not refused:
        return ()
    limit = f"--grpc_max_threads {plan.grpc_threads}" if plan.grpc_threads else "--grpc_max_threads"
    reason = (
        f"the server ran out of gRPC threads ({limit}) and refused {refused} of {rows.num_rows} requests, so the"
        " figures show this limit and not the server's speed; end other clients of the server, send less if calls timed"
        " out, and run again"
    )
    return (reason,)


def load_sharing_reasons(counted: pa.Table, samples: pa.Table, servers: Servers, load: LoadPlan) -> tuple[str, ...]:
    """Whether all replicas had their share: by the rows, else by the requests that each replica counted.

    Those that an autoscaler adds and takes away have none that is due to them.
    """
    if servers.autoscaled:
        return ()
    requests, replicas = requests_by_replica(samples), servers.replicas
    return _row_sharing_reasons(counted, replicas) or idle_replica_reasons(requests, replicas, load)


def _row_sharing_reasons(counted: pa.Table, replicas: int) -> tuple[str, ...]:
    """Whether all replicas had their share, where the rows name the replica that answered."""
    known = counted["backend"].drop_null()
    if not len(known) or replicas < 2:
        return ()
    counts = {count["values"]: count["counts"] for count in pc.value_counts(known).to_pylist()}
    if len(counts) < replicas:
        return (_idle_reason(sorted(counts), replicas),)
    fair = len(known) / len(counts)
    least = min(counts, key=lambda backend: counts[backend])
    if counts[least] < _FAIR_SHARE * fair:
        reason = (
            f"replica {least} answered {counts[least]} of {len(known)} requests; an even split gives it {fair:.0f}, so"
            f" the other replicas determined the latency; check the log of {least}, and run again"
        )
        return (reason,)
    return ()


def idle_replica_reasons(requests: Mapping[str, int], replicas: int, load: LoadPlan) -> tuple[str, ...]:
    """Whether a replica was idle, by the `requests` that each replica counted; needs the counters of all replicas.

    Over REST the cluster's Service chooses a replica at random, so an uneven split is normal. At a low rate that is
    fixed few requests are sent, so there an idle replica is normal, too.
    """
    if load.rate_is_fixed or replicas < 2 or len(requests) < replicas:
        return ()
    busy = sorted(name for name, count in requests.items() if count)
    return (_idle_reason(busy, replicas),) if len(busy) < replicas else ()


def _idle_reason(busy: Sequence[str], replicas: int) -> str:
    silent = "the others" if busy else "all replicas"
    return (
        f"only {len(busy)} of {replicas} replicas answered ({', '.join(busy) or 'none'}), so the cost per prediction"
        f" includes replicas that did nothing; check the logs of {silent}, or, if few requests were sent, use more"
        " users or a higher rate"
    )
