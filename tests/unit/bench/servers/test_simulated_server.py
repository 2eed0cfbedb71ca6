"""The simulated server, against formulas and against its other algorithm."""

import numpy as np
import pytest

from bench.servers.simulated_server import ServerModel, SimulatedServer, missed_share, true_capacity_rps
from loadtest.generator.loops.arrivals import POISSON, offsets_at


def responses_s(model: ServerModel, rate_rps: float, count: int) -> np.ndarray:
    server = SimulatedServer(model, 1)
    due = offsets_at(rate_rps, POISSON, 1)
    return np.array([server.end_s(at) - at for at, _ in zip(due, range(count), strict=False)])


def test_service_times_have_the_mean_and_the_variation_that_were_asked_for() -> None:
    drawn = ServerModel(1, 1, 0.08, 0.5).services_s(np.random.default_rng(1), 200_000)
    assert drawn.mean() == pytest.approx(0.08, rel=0.01)
    assert drawn.std() / drawn.mean() == pytest.approx(0.5, rel=0.02)


def test_the_mean_wait_is_that_of_pollaczek_and_khinchine() -> None:
    # M/G/1 at 60 %: ρ·s·(1 + CV²) / (2·(1 − ρ)) = 0.6 · 0.05 · 1.25 / 0.8.
    waits_s = responses_s(ServerModel(1, 1, 0.05, 0.5), 12.0, 100_000) - 0.05
    assert waits_s.mean() == pytest.approx(0.6 * 0.05 * 1.25 / 0.8, rel=0.06)


@pytest.mark.parametrize("model", [ServerModel(1, 4, 0.05, 0.5), ServerModel(3, 1, 0.05, 0.3)])
def test_both_algorithms_miss_the_same_share(model: ServerModel) -> None:
    rate_rps = 0.7 * model.saturation_rps
    events = float((responses_s(model, rate_rps, 100_000) > 0.12).mean())
    assert missed_share(model, rate_rps / model.replicas, 0.12, 400_000) == pytest.approx(events, rel=0.1)


def test_a_round_robin_of_each_client_is_between_random_and_one_for_all() -> None:
    late = [
        float((responses_s(ServerModel(6, 1, 0.05, 0.3, clients), 72.0, 40_000) > 0.15).mean())
        for clients in (None, 50, 1)
    ]
    assert late == sorted(late, reverse=True)


def test_the_capacity_with_very_many_clients_is_that_of_chance_and_with_one_client_higher() -> None:
    by_chance, many, one = (
        true_capacity_rps(ServerModel(4, 1, 0.05, 0.3, clients), 0.95, 0.2, 600_000) for clients in (None, 5_000, 1)
    )
    assert many == pytest.approx(by_chance, rel=0.03)
    assert one > 1.1 * by_chance


def test_a_server_without_room_to_wait_refuses_the_share_of_erlangs_loss_formula() -> None:
    """With a load of 3 on 4 workers, for any distribution of the service time: 0.2061 (Erlang B)."""
    responses = responses_s(ServerModel(1, 4, 0.05, 0.8, queue=0), 60.0, 100_000)
    assert np.isinf(responses).mean() == pytest.approx(0.2061, rel=0.03)


def test_where_requests_are_refused_their_share_limits_the_capacity() -> None:
    model = ServerModel(1, 4, 0.05, 0.5, queue=4)
    strict, loose = (true_capacity_rps(model, 0.9, 0.5, 1_000_000, errors) for errors in (0.001, 0.05))
    assert strict < 0.8 * loose
    assert np.isinf(responses_s(model, strict, 200_000)).mean() == pytest.approx(0.001, rel=0.3)
