"""How variants are ranked by what their runs say of the capacity."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.objective import Objective
from analysis.pricing.cost import HOURS_A_MONTH
from analysis.verdict.capacity import Meets
from analysis.verdict.verdict import verdict_of

ASKED = Objective(latency_ms=500)
STACKS = ("8cpu-16gb", "2cpu-4gb", "4cpu-8gb", "8cpu-64gb")


def three(searched, rps, stack="8cpu-16gb", **serving):
    """Searches on three deployments that differ by about 2 %."""
    return [searched(rps * (1 + 0.02 * (at - 1)), stack, at, **serving) for at in range(3)]


def ranking(*runs, objective=ASKED):
    return verdict_of(runs, objective).ranking


def labels(found):
    return [each.label for each in found]


def test_the_cost_is_the_hourly_price_divided_by_the_predictions_of_an_hour_at_capacity(searched):
    [found] = ranking(*three(searched, 60))
    usd = found.variant.newest.cost.hourly / (found.capacity.rps.value * 3600) * 1e6
    assert found.usd_per_million.value == pytest.approx(usd)
    assert found.usd_per_million.low == pytest.approx(usd * found.capacity.rps.value / found.capacity.rps.high)


def test_the_cheapest_at_capacity_is_first_and_what_certainly_costs_more_is_not_among_the_best(searched):
    verdict = verdict_of(three(searched, 30, inter_op=8) + three(searched, 60), ASKED)
    assert labels(verdict.best) == [verdict.ranking[0].label]
    first, second = verdict.ranking
    assert first.variant.newest.serving.inter_op == 4
    assert first.standing.is_certainly_best
    assert second.standing.at_most_more > 0.9


def test_three_searches_that_certified_exactly_the_objective_meet_it(searched):
    assert verdict_of(three(searched, 60), ASKED).outcome is Meets.yes


def test_what_the_searches_cannot_tell_apart_may_each_be_the_best(searched):
    assert len(verdict_of(three(searched, 60) + three(searched, 59.5, inter_op=8), ASKED).best) == 2


def test_one_deployment_of_each_names_no_lone_winner_among_variants_a_few_percent_apart(searched):
    verdict = verdict_of([searched(60, deployment=1), searched(58, deployment=2, inter_op=8)], ASKED)
    assert len(verdict.best) == 2
    assert verdict.effects.is_prior


def test_idle_closed_loops_displace_no_search(searched, silent):
    searches = three(searched, 60) + three(searched, 50, "2cpu-4gb")
    idle = [silent(stack) for stack in STACKS]
    verdict = verdict_of([*searches, *idle], ASKED)
    assert labels(verdict.ranking) == labels(verdict_of(searches, ASKED).ranking)
    assert verdict.ranking == verdict_of(searches, ASKED).ranking
    assert {run.run_id for run, _ in verdict.excluded} == {run.manifest.run_id for run in idle}
    assert all("says nothing about capacity" in why for _, (why,) in verdict.excluded)


def test_searches_and_open_loops_at_other_rates_are_of_one_ranking(searched, bounded):
    [found] = ranking(*three(searched, 60), bounded(low=40), bounded(high=90))
    assert found.runs == 5


def test_a_variant_of_which_an_open_loop_shows_that_it_is_cheaper_takes_the_first_place_from_a_search(
    searched, bounded
):
    verdict = verdict_of([*three(searched, 30), bounded(low=60, inter_op=8)], ASKED)
    assert labels(verdict.best) == ["8cpu-16gb · interop8"]
    [better] = [each for each in verdict.ranking if each.label == "8cpu-16gb · interop8"]
    assert math.isfinite(better.standing.at_most_more)


def test_a_variant_with_a_lower_bound_alone_keeps_the_others_from_being_certainly_the_best(searched, bounded):
    verdict = verdict_of([*three(searched, 60), bounded(low=30, inter_op=8)], ASKED)
    assert len(verdict.best) == 2
    first, second = verdict.ranking
    assert first.standing.at_most_more == math.inf, "the other may have any capacity"
    assert second.standing.at_most_more < 1.6
    assert second.to_dict()["capacity_rps"]["value"] is None
    assert first.to_dict()["at_most_more_percent"] is None


def test_variants_that_may_miss_or_miss_the_objective_come_after_those_that_meet_it(searched, bounded):
    found = ranking(bounded(high=0.4, load="capacity", inter_op=2), bounded(high=900, inter_op=8), *three(searched, 5))
    assert [each.meets for each in found] == [Meets.yes, Meets.unsure, Meets.no]
    assert [each.standing is None for each in found] == [False, True, True]


def test_within_a_budget_the_highest_capacity_wins_and_what_costs_more_an_hour_misses(searched):
    runs = three(searched, 60) + three(searched, 55, "2cpu-4gb") + three(searched, 75, "8cpu-64gb")
    prices = {run.manifest.stack: run.manifest.cost.hourly for run in runs}
    assert prices["8cpu-16gb"] < prices["2cpu-4gb"] < prices["8cpu-64gb"]
    all_in = verdict_of(runs, ASKED.model_copy(update={"budget_usd_730h": 5000}))
    assert labels(all_in.ranking)[0] == "8cpu-64gb · interop4"
    assert labels(all_in.best) == ["8cpu-64gb · interop4"]
    assert labels(verdict_of(runs, ASKED).best) == ["8cpu-16gb · interop4"], "without a budget, cost decides"
    tight = (prices["2cpu-4gb"] + 0.01) * HOURS_A_MONTH
    found = ranking(*runs, objective=ASKED.model_copy(update={"budget_usd_730h": tight}))
    assert [(each.label, each.meets.value) for each in found] == [
        ("8cpu-16gb · interop4", "yes"), ("2cpu-4gb · interop4", "yes"), ("8cpu-64gb · interop4", "no")
    ]  # fmt: skip


def test_more_rivals_need_a_clearer_difference(searched):
    leader, rival = three(searched, 60), three(searched, 56, inter_op=8)
    others = [run for at in range(10, 24) for run in three(searched, 30, inter_op=at)]
    assert len(verdict_of(leader + rival, ASKED).best) == 1
    crowd = [searched(60, deployment=1), searched(56.5, deployment=2, inter_op=8)]
    alone = verdict_of(crowd, ASKED).ranking[1].standing.at_most_more
    among = verdict_of(crowd + [run for run in others if run.manifest.deployment.endswith("0")], ASKED)
    assert among.ranking[1].standing.at_most_more > alone


def test_a_zone_of_practical_equivalence_makes_a_near_equal_good_enough(searched):
    runs = three(searched, 60) + three(searched, 59.8, inter_op=8)
    first = ranking(*runs, objective=ASKED)[0]
    assert first.standing.is_good_enough(0.2)
    assert not first.standing.is_good_enough(0.001)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(STACKS), st.floats(10, 100)), min_size=1, max_size=8), st.randoms())
def test_the_order_of_the_runs_does_not_matter(searched, runs, random):
    found = [searched(rps, stack, at) for at, (stack, rps) in enumerate(runs)]
    one, other = ranking(*found), ranking(*random.sample(found, len(found)))
    assert labels(one) == labels(other)
    for this, that in zip(one, other, strict=True):
        assert this.capacity.rps.value == pytest.approx(that.capacity.rps.value)
        assert this.standing.at_most_more == pytest.approx(that.standing.at_most_more)
    assert one[0].standing.may_be_best
