import math
from itertools import count

import numpy as np
import pytest

from analysis.interval import Interval
from analysis.statistics.best import compare_with_best, difference_of
from analysis.statistics.cpu_models import NOT_SEEN, Draw, Pool
from analysis.statistics.deployments import Observation
from analysis.statistics.lottery import draw_lottery

A, B = "fast", "slow"
SLOWER = math.log(1.4)
_numbers = count()


def run(rps: float, *cpus: str, variant: str = "e2", nodes: int | None = None, machines: str | None = None) -> Draw:
    """A search on new nodes with these CPU models."""
    name = machines or f"machines {next(_numbers)}"
    shares = {cpu: cpus.count(cpu) / len(cpus) for cpu in set(cpus)}
    observation = Observation(variant, f"{name} {next(_numbers)}", math.log(rps), 0.01, name)
    return Draw(variant, "E2", nodes or len(cpus), shares, observation)


def fitted(runs: list[Draw], seen: dict[str, int], not_seen: int = 0, others: list[Observation] | None = None):
    return draw_lottery(runs, others or [], {"E2": Pool(seen, not_seen)})


def test_each_model_has_its_cost_and_the_expectation_is_over_their_shares():
    found = fitted([*(run(14, A) for _ in range(4)), *(run(10, B) for _ in range(4))], {A: 50, B: 50})
    expected = found.expected["e2"]
    on = {each.cpu: each for each in expected.cpus}
    assert on[A].rps.value == pytest.approx(14, rel=0.03)
    assert on[B].rps.value == pytest.approx(10, rel=0.03)
    assert on[A].share.value == pytest.approx(0.5, abs=0.01)
    # The mean of the costs 1/14 and 1/10, which is not that of the rates.
    assert 1 / expected.rps.value == pytest.approx((1 / 14 + 1 / 10) / 2, rel=0.01)
    assert expected.rps.low < expected.rps.value < expected.rps.high


def test_the_expectation_does_not_hang_on_which_model_came_more_often_to_the_runs():
    """Ten searches on three nodes of one model are no reason to expect it: the nodes of the pool tell the shares."""
    often_fast = fitted([*(run(14, A) for _ in range(7)), run(10, B)], {A: 50, B: 50}).expected["e2"]
    often_slow = fitted([run(14, A), *(run(10, B) for _ in range(7))], {A: 50, B: 50}).expected["e2"]
    assert often_fast.rps.value == pytest.approx(often_slow.rps.value, rel=0.03)


def test_few_nodes_tell_little_of_the_mix_and_more_of_them_narrow_the_interval():
    runs = [*(run(14, A) for _ in range(4)), *(run(10, B) for _ in range(4))]
    few, many = (fitted(runs, seen).expected["e2"] for seen in ({A: 4, B: 4}, {A: 400, B: 400}))
    assert few.cpus[0].share.high - few.cpus[0].share.low > 0.5
    assert many.cpus[0].share.high - many.cpus[0].share.low < 0.1
    assert few.rps.high / few.rps.low > many.rps.high / many.rps.low


def test_a_cluster_of_several_nodes_is_expected_to_be_mixed():
    """Where the slowest node of four decides, a cluster without a slow one is rare: 1 of 16."""
    mixed = [run(10, A, A, B, B), run(10, A, A, A, B), run(10, A, B, B, B)]
    found = fitted([*(run(14, A, A, A, A) for _ in range(2)), *mixed, run(10, *[B] * 4)], {A: 500, B: 500})
    cost = (1 / 14) / 16 + (1 / 10) * 15 / 16
    assert 1 / found.expected["e2"].rps.value == pytest.approx(cost, rel=0.03)


def test_runs_on_mixed_nodes_show_whether_the_slowest_node_decides():
    by_speed = [run(3 * 14 / 4 + 10 / 4, A, A, A, B), run(12, A, A, B, B), run(14 / 4 + 3 * 10 / 4, A, B, B, B)]
    by_slowest = [run(10, A, A, A, B), run(10, A, A, B, B), run(10, A, B, B, B)]
    pure = [run(14, *[A] * 4), run(14, *[A] * 4), run(10, *[B] * 4), run(10, *[B] * 4)]
    fast, slow = (fitted([*pure, *mixed], {A: 500, B: 500}).expected["e2"].rps for mixed in (by_speed, by_slowest))
    assert fast.value > 1.08 * slow.value


@pytest.mark.parametrize("share", ["as many requests", "what it can serve"])
def test_what_few_mixed_clusters_leave_open_of_others_is_in_the_interval(share: str):
    """Three clusters without a slow node, three with one and two with two tell little of four slow nodes."""
    rps = {
        fast: (14.0 if fast == 4 else 10.0) if share == "as many requests" else (14 * fast + 10 * (4 - fast)) / 4
        for fast in range(5)
    }
    runs = [run(rps[fast], *[A] * fast, *[B] * (4 - fast)) for fast in (4, 4, 4, 3, 3, 3, 2, 2)]
    found = fitted(runs, {A: 5000, B: 5000}).expected["e2"].rps
    cost = sum(math.comb(4, fast) / 16 / rps[fast] for fast in rps)
    assert 1 / found.high <= cost <= 1 / found.low
    assert 1 / found.value == pytest.approx(cost, rel=0.03)


def test_a_model_that_no_run_saw_widens_the_interval_until_enough_nodes_were_seen():
    runs = [run(14, A) for _ in range(4)]
    unknown, known = fitted(runs, {A: 4}, not_seen=1).expected["e2"], fitted(runs, {A: 400}, not_seen=1).expected["e2"]
    assert [each.cpu for each in unknown.cpus] == [A, NOT_SEEN]
    assert not unknown.cpus[1].is_seen
    assert unknown.cpus[1].share.high > 0.3
    assert unknown.rps.high / unknown.rps.low > 1.2 * known.rps.high / known.rps.low


def test_a_pool_with_one_model_is_no_lottery():
    assert fitted([run(14, A)], {A: 3}) is None
    assert fitted([Draw("e2", "E2", 1, {A: 1.0})], {A: 3, B: 1}) is None, "a bound alone gives no mean"


def test_a_variant_that_ran_on_one_model_alone_is_expected_over_both_as_the_others_show():
    both = [run(28, A, variant="two"), run(20, B, variant="two"), run(20, B, variant="two"), run(28, A, variant="two")]
    found = fitted([*both, run(14, A), run(14, A)], {A: 50, B: 50}).expected
    assert found["e2"].rps.value == pytest.approx(found["two"].rps.value / 2, rel=0.05)


def test_what_is_uncertain_of_the_mix_is_no_difference_between_variants_of_one_pool():
    pairs = [
        run(rps * times, cpu, variant=variant, machines=f"{cpu} {at}")
        for variant, times in (("one", 1.0), ("two", 1.1))
        for cpu, rps in ((A, 14), (B, 10))
        for at in range(3)
    ]
    other = [Observation("n4d", f"n{at}", math.log(12), 0.01, f"n{at}") for at in range(6)]
    means = fitted(pairs, {A: 3, B: 3}, others=other).effects.means
    within, across = difference_of(means["one"], means["two"]), difference_of(means["one"], means["n4d"])
    assert math.sqrt(within.variance) < 0.03
    assert math.sqrt(across.variance) > 0.05
    assert within.log_value == pytest.approx(-math.log(1.1), abs=0.01)
    assert set(compare_with_best({name: mean.subtracted_from(0) for name, mean in means.items()})) == set(means)


def test_a_bound_on_one_model_is_shifted_to_the_expectation_and_widened():
    runs = [*(run(14, A) for _ in range(4)), *(run(10, B) for _ in range(4))]
    found = fitted(runs, {A: 50, B: 50})
    shifted = found.over_the_mix(runs[0], Interval(None, 13.0, math.inf))
    assert 0.7 * 13 < shifted.low < 12 / 14 * 13
    assert shifted.high == math.inf


def test_the_same_runs_give_the_same_figures():
    runs = [run(14, A), run(10, B)]
    one, other = fitted(runs, {A: 5, B: 5}), fitted(runs, {A: 5, B: 5})
    assert one.expected["e2"].rps == other.expected["e2"].rps
    assert np.array_equal(one.effects.means["e2"].mix.log_values, other.effects.means["e2"].mix.log_values)


def test_many_nodes_and_models_are_sampled():
    cpus = [f"cpu {at}" for at in range(5)]
    runs = [run(100 - at, cpu, nodes=60) for at, cpu in enumerate(cpus)]
    expected = fitted(runs, dict.fromkeys(cpus, 20)).expected["e2"]
    assert 80 < expected.rps.value < 101
