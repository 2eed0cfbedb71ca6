"""The delays of a variant: recorded, asked for, or assumed."""

import pytest

from analysis.planning.day.start_up import AskedDelays, start_up_of
from analysis.results.schema.manifest import Manifest, Replica
from bench.stores.synthetic import make_manifest
from stacks.load.load_profiles import PROFILES


def run(deployment: str, *ready_after_s: float | None) -> Manifest:
    replicas = tuple(Replica(name=f"pod-{n}", ready_after_s=each) for n, each in enumerate(ready_after_s))
    return make_manifest(PROFILES["smoke"], replicas=replicas, deployment=f"d{deployment * 11}")


def delays(asked: AskedDelays, *runs) -> tuple[float, float, int]:
    found = start_up_of(asked, runs)
    return found.delays.pod_start_s, found.delays.start_s, found.starts


def test_a_pod_takes_the_median_start_and_on_a_new_node_the_longest_and_two_minutes():
    first, restarted = run("a", 95.0, 90.0), run("b", 30.0, 32.0, 31.0)
    assert delays(AskedDelays(), first, restarted) == (32, 120 + 95, 5)


def test_repeats_of_one_deployment_are_the_same_starts():
    assert delays(AskedDelays(), run("a", 30.0, 40.0), run("a", 30.0, 40.0), run("b", 90.0)) == (40, 210, 3)


@pytest.mark.parametrize("runs", [[], [()], [(None, None)]])
def test_without_a_recorded_start_it_is_assumed(runs):
    assert delays(AskedDelays(), *(run("a", *each) for each in runs)) == (60, 180, 0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (AskedDelays(start_s=150), (40, 150, 2)),
        (AskedDelays(start_s=20), (20, 20, 2)),
        (AskedDelays(pod_start_s=300), (300, 420, 2)),
        (AskedDelays(start_s=150, pod_start_s=70), (70, 150, 0)),
    ],
)
def test_what_is_asked_for_replaces_what_is_recorded(asked, expected):
    assert delays(asked, run("a", 30.0, 50.0)) == expected
