"""What other programs took, by samples: of this machine, and of the nodes of a cluster."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.results.run.disturbance import CpuSamples, disturbance_reason, was_disturbed
from analysis.results.run.hosts import THIS_MACHINE, cluster_hosts
from analysis.results.schema.other_cpu import OtherCpu
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.stores.synthetic import machine_samples

SECONDS = 20
WHOLE = [(0, SECONDS * 1_000_000)]
CORES = st.floats(0, 4)


def table(**subjects: dict[str, float]) -> pa.Table:
    """The same values in each second; subjects are named with `_` for `-`."""
    samples = [
        {"at": second * 1_000_000, "subject": subject.replace("_", "-"), "quantity": quantity, "value": float(value)}
        for second in range(1, SECONDS + 1)
        for subject, quantities in subjects.items()
        for quantity, value in quantities.items()
    ]
    return pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)


def here(machine: float, cores: float = 2, server_most: float = 2, stolen: float | None = None) -> OtherCpu | None:
    """A server with 0.9 cores and a generator with 0.1."""
    whole = {"cpu_cores": machine, "most_cores": cores} | ({} if stolen is None else {"stolen_cores": stolen})
    samples = table(
        server={"cpu_cores": 0.9, "most_cores": server_most}, generator={"cpu_cores": 0.1, "most_cores": 2},
        machine=whole,
    )  # fmt: skip
    return CpuSamples(samples, [THIS_MACHINE]).others(WHOLE)


def test_other_programs_of_this_machine_are_what_server_and_generator_did_not_use() -> None:
    found = here(machine=1.96)
    assert found is not None
    assert (found.cores, found.share) == (pytest.approx(0.96), pytest.approx(0.48))
    assert found.disturbs


def test_a_machine_that_is_nearly_idle_disturbs_no_run() -> None:
    found = here(machine=1.08)
    assert found is not None
    assert not found.disturbs
    assert disturbance_reason(found) is None


@pytest.mark.parametrize("of_process", [True, False])
def test_what_the_hypervisor_takes_is_lost_to_the_server_whichever_way_the_kernel_counts_it(of_process: bool) -> None:  # noqa: FBT001
    """Some kernels count time that was stolen while a process ran as time of that process."""
    found = here(machine=1.0 if of_process else 1.5, stolen=0.5)
    assert found is not None
    assert (found.cores, found.program_cores) == (pytest.approx(0.5), pytest.approx(0.0))
    reason = disturbance_reason(found)
    assert reason is not None
    assert (
        "other programs used 0.00 of this machine's 2 cores while it measured, and the hypervisor gave 0.50 of them to"
        " other machines (steal), which server and load generator lacked"
    ) in reason
    assert "use a machine whose host is less busy" in reason


def test_other_programs_and_the_hypervisor_together_disturb_a_run_that_neither_would() -> None:
    for machine, stolen, disturbs in ((1.09, 0.0, False), (1.08, 0.08, False), (1.17, 0.08, True)):
        found = here(machine=machine, stolen=stolen)
        assert found is not None
        assert found.disturbs is disturbs
    reason = disturbance_reason(found)
    assert reason is not None
    assert "other programs used 0.09 of" in reason
    assert "the hypervisor gave 0.08 of them" in reason
    assert "end them" in reason


def test_a_sentence_tells_other_programs_and_the_hypervisor_apart() -> None:
    told, untold = here(machine=1.3, stolen=0.1), here(machine=1.3)
    assert told is not None
    assert untold is not None
    assert told.sentence == (
        "While the run measured, other programs used 0.20 of this machine's 2 cores, and the hypervisor gave 0.10 to"
        " other machines (steal)."
    )
    assert untold.sentence == (
        "While the run measured, other programs used 0.30 of this machine's 2 cores; what the hypervisor gave to other"
        " machines (steal) is not known."
    )


def test_cores_that_server_and_generator_cannot_use_are_free_for_others() -> None:
    """As in a container with two of a host's 64 cores."""
    found = here(machine=31, cores=64, server_most=2)
    assert found is not None
    assert (found.usable_cores, found.share) == (3, 0)


@given(CORES, CORES)
def test_who_takes_more_never_disturbs_less(one: float, other: float) -> None:
    less, more = (here(machine=1 + cores, cores=8, server_most=4) for cores in sorted((one, other)))
    assert less is not None
    assert more is not None
    assert less.share <= more.share
    assert less.disturbs <= more.disturbs


def test_nothing_is_known_without_samples_of_machine_server_and_generator() -> None:
    every = machine_samples(0, [1.5] * SECONDS)
    for missing in ("machine", "server", "generator"):
        rest = every.filter(pa.compute.not_equal(every["subject"], missing))
        assert CpuSamples(rest, [THIS_MACHINE]).others(WHOLE) is None
    assert CpuSamples(every, [THIS_MACHINE]).others([(10**9, 2 * 10**9)]) is None, "of another time"


@given(*[st.floats()] * 5)
def test_samples_of_a_damaged_run_may_say_anything(
    used: float, most: float, sent: float, busy: float, cores: float
) -> None:
    samples = table(
        server={"cpu_cores": used, "most_cores": most}, generator={"cpu_cores": sent},
        machine={"cpu_cores": busy, "most_cores": cores, "stolen_cores": sent},
    )  # fmt: skip
    disturbance_reason(CpuSamples(samples, [THIS_MACHINE]).others(WHOLE))


def test_only_the_asked_seconds_count() -> None:
    samples = CpuSamples(machine_samples(0, [2.0] * 10 + [0.0] * 10), [THIS_MACHINE])
    for span, cores in (((0, 10), 2.0), ((10, 20), 0.0), ((5, 15), 1.0)):
        found = samples.others([(span[0] * 1_000_000, span[1] * 1_000_000)])
        assert found is not None
        assert found.cores == pytest.approx(cores)


def pod(cores: float, others: float) -> dict[str, float]:
    return {"cpu_cores": cores, "most_cores": 2, "other_cpu_cores": others}


def test_the_daemons_of_a_node_are_part_of_what_it_costs() -> None:
    """GKE's DaemonSets request about half a vCPU on each node."""
    hosts = cluster_hosts({"a": "node-a", "b": "node-b"}, 2, ["node-load"])
    quiet = CpuSamples(table(a=pod(1.5, 0.4), b=pod(1.5, 0.2)), hosts).others(WHOLE)
    assert quiet is not None
    assert (quiet.node, quiet.cores, quiet.disturbs) == ("node-a", pytest.approx(0.4), False)
    busy = CpuSamples(table(a=pod(1.2, 0.8), b=pod(1.5, 0.2)), hosts).others(WHOLE)
    reason = disturbance_reason(busy)
    assert reason is not None
    assert was_disturbed([reason])
    assert "other programs used 0.80 of the node node-a's 2 cores" in reason
    assert "keep other pods off the servers' nodes" in reason


def test_other_replicas_and_the_generator_on_a_node_are_no_other_programs() -> None:
    """To a replica's own samples they are."""
    hosts = cluster_hosts({"a": "node", "b": "node"}, 4, ["node"])
    samples = table(a=pod(1.5, 2.2), b=pod(1.4, 2.3), generator={"cpu_cores": 0.7, "most_cores": 4})
    found = CpuSamples(samples, hosts).others(WHOLE)
    assert found is not None
    assert found.cores == pytest.approx(0.1)


def test_a_node_is_not_known_of_which_a_replica_was_not_sampled() -> None:
    hosts = cluster_hosts({"a": "node", "b": "node", "c": None}, 4, [None])
    assert CpuSamples(table(a=pod(1.5, 2.2)), hosts).others(WHOLE) is None
