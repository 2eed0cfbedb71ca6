"""A deployment is a set of server processes: its name follows from which processes they are, and from nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.result.servers import ServerState, deployment_of

PODS = (ServerState("tf-serving-a", "uid-a", restarts=1), ServerState("tf-serving-b", "uid-b"))


@given(st.permutations([ServerState(f"s{n}", f"uid-{n}", restarts=n) for n in range(5)]))
def test_it_does_not_depend_on_the_order_in_which_the_servers_are_listed(servers: list[ServerState]) -> None:
    assert deployment_of(servers) == deployment_of(servers[::-1])


def test_servers_that_become_ready_are_the_same_processes() -> None:
    assert deployment_of([replace(pod, ready=False, image="i@sha256:1") for pod in PODS]) == deployment_of(PODS)


@pytest.mark.parametrize(
    "others",
    [
        (PODS[0], replace(PODS[1], uid="uid-c")),
        (PODS[0], replace(PODS[1], restarts=1)),
        (PODS[0],),
        (*PODS, ServerState("tf-serving-c", "uid-c")),
        (replace(PODS[0], restarts=0), replace(PODS[1], restarts=1)),
    ],
    ids=["a pod is replaced", "a container restarted", "one less", "one more", "the other container restarted"],
)
def test_another_process_makes_another_deployment(others: tuple[ServerState, ...]) -> None:
    assert deployment_of(others) != deployment_of(PODS)


def test_it_is_unknown_where_no_server_is_known() -> None:
    assert deployment_of([]) is None
