"""Who gets the next request, without queues and times."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from analysis.planning.simulation.balancing import Balancer, choices
from bench.stores.synthetic import make_manifest
from stacks.load.load_profiles import PROFILES


def chosen(kind: str, replicas: int, clients: int):
    return choices(Balancer(kind, clients), replicas, clients, Random(5).randrange)


def test_at_random_every_replica_gets_its_share():
    by_chance = chosen("random", 4, 1)
    counts = Counter(by_chance.choose(0) for _ in range(4000))
    assert sorted(counts) == [0, 1, 2, 3]
    assert all(count == pytest.approx(1000, rel=0.1) for count in counts.values())


def test_each_grpc_client_goes_to_all_replicas_in_turn_whatever_the_others_do():
    in_turn = chosen("round-robin", 5, 3)
    visits = {client: [] for client in range(3)}
    draw = Random(1)
    for _ in range(300):
        client = draw.randrange(3)
        visits[client].append(in_turn.choose(client))
    for replicas in visits.values():
        assert all(following == (replica + 1) % 5 for replica, following in pairwise(replicas))


def test_grpc_clients_do_not_all_begin_with_the_same_replica():
    in_turn = chosen("round-robin", 5, 40)
    assert len({in_turn.choose(client) for client in range(40)}) == 5


def test_a_rest_client_without_a_request_in_flight_stays_on_its_connection():
    connected = chosen("connections", 8, 2)
    for client in range(2):
        first = connected.choose(client)
        connected.end(client, first)
        for _ in range(20):
            assert connected.choose(client) == first
            connected.end(client, first)


def test_a_rest_client_opens_a_connection_only_when_none_is_idle_and_takes_the_last_idle_one():
    connected = chosen("connections", 1000, 1)
    first, second = connected.choose(0), connected.choose(0)
    assert first != second
    connected.end(0, first)
    connected.end(0, second)
    assert [connected.choose(0), connected.choose(0)] == [second, first]


def test_a_user_of_the_generator_goes_on_where_it_was():
    users = chosen("users", 4, 1)
    one = users.choose(0)
    other = users.choose(0)
    assert other == (one + 1) % 4
    users.end(0, one)
    assert users.choose(0) == (one + 1) % 4


@pytest.mark.parametrize(
    ("protocol", "profile", "kind"),
    [("rest", "capacity", "random"), ("grpc", "capacity", "users"), ("grpc", "seed", "round-robin")],
)
def test_the_balancer_of_a_run_is_that_of_the_generator(protocol, profile, kind):
    manifest = make_manifest(PROFILES[profile])
    manifest = manifest.model_copy(update={"serving": manifest.serving.model_copy(update={"protocol": protocol})})
    assert Balancer.of_run(manifest).kind == kind
    assert Balancer.of_clients(manifest, None) == Balancer("random")
    assert Balancer.of_clients(manifest, 50) == Balancer("round-robin" if protocol == "grpc" else "connections", 50)
