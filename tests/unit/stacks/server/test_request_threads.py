"""No load has as many calls in flight as a server has gRPC threads, and REST threads fill a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.load.load_profiles import PROFILES, CapacitySearch, ClosedLoop, LoadProfile, OpenLoop
from stacks.server.request_threads import RequestThreads
from stacks.server.serving_variant import Batching
from stacks.settings import parse_settings
from tests.unit.stacks.test_settings import GOOD, project_defaults

NUMBERS = st.integers(1, 10_000)
OPEN, CAPACITY = PROFILES["open"], PROFILES["capacity"]
LOADS = st.one_of(
    NUMBERS.map(lambda users: ClosedLoop(users=users, spawn_rate_per_s=1000, wait_s=0, warmup_s=0, duration_s=60)),
    NUMBERS.map(lambda most: OPEN.model_copy(update={"max_in_flight": most})),
    NUMBERS.map(lambda most: CAPACITY.model_copy(update={"max_in_flight": most})),
)
BATCHING = st.none() | st.integers(1, 4096).map(
    lambda size: Batching(max_batch_size=size, batch_timeout_micros=0, max_enqueued_batches=1, num_batch_threads=1)
)


def in_flight(load: LoadProfile) -> int:
    """Each user, or each place in flight, has one request under way."""
    if isinstance(load, OpenLoop | CapacitySearch):
        return load.max_in_flight
    return load.users


def threads(batching: Batching | None, vcpus: int, load: LoadProfile) -> RequestThreads:
    return RequestThreads.of(batching, vcpus, load.most_in_flight)


@given(BATCHING, st.integers(2, 224), LOADS)
def test_every_call_of_a_load_finds_a_thread_though_all_go_to_one_replica(batching, vcpus, load):
    # One thread waits for the next call. A call that was given up may still have one, beside the call that follows it.
    carried = threads(batching, vcpus, load).grpc - 1
    assert carried >= 2 * in_flight(load) + 8, "with room for the model service and a person who looks"


@given(st.integers(2, 224), LOADS)
def test_a_rest_pool_is_that_of_the_server_s_default_where_nothing_is_batched(vcpus, load):
    assert threads(None, vcpus, load).rest == 4 * vcpus


@given(BATCHING, st.integers(2, 224), LOADS)
def test_rest_threads_fill_a_batch_while_another_runs(batching, vcpus, load):
    made = threads(batching, vcpus, load)
    assert made.rest >= 4 * vcpus
    assert batching is None or made.rest >= 2 * batching.max_batch_size
    assert made.rest == threads(batching, vcpus, PROFILES["smoke"]).rest, "whatever the load"


@pytest.mark.parametrize("name", PROFILES)
def test_the_named_profiles_have_equal_servers(name):
    of_profile = parse_settings(project_defaults() | GOOD | {"load": {"profile": name}}).request_threads
    assert of_profile == RequestThreads(grpc=1024, rest=8)


def test_a_larger_load_has_more_grpc_threads():
    settings = parse_settings(project_defaults() | GOOD | {"load": {"profile": "open", "maxInFlight": 600}})
    assert settings.request_threads == RequestThreads(grpc=2048, rest=8)
