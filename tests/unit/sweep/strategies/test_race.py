import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fleets.bare_sweeps import TYPICAL, play
from sweep.prior import StackPrior
from sweep.strategies.race import Race
from sweep.strategy import Observation, Standing
from sweep.tasks import Length

_WITHIN = math.log1p(0.05)


def _observed(runs):
    """Runs of candidates as (key, log cost), in the order in which they ended."""
    observed = {"a": [], "b": [], "c": []}
    for order, (key, log_cost) in enumerate(runs):
        block = len(observed[key]) + 1
        observed[key].append(Observation(order, block, Length.full, log_cost, 0.03))
    return observed


def _bound(order, block):
    return Observation(order, block, Length.full, 0.5, 0.0, is_bound=True)


_RUNS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(-0.4, 0.4)), max_size=40)


@given(_RUNS)
def test_what_is_eliminated_stays_so(runs):
    standings = [Race(0.05).decide(_observed(runs[:count])).standings for count in range(len(runs) + 1)]

    for before, after in pairwise(standings):
        assert all(after[key] is before[key] for key in before if before[key] is not Standing.racing)


@given(_RUNS)
def test_a_race_that_is_asked_after_each_run_decides_as_one_that_is_resumed(runs):
    asked = Race(0.05)
    decisions = [asked.decide(_observed(runs[:count])) for count in range(len(runs) + 1)]

    assert decisions[-1] == Race(0.05).decide(_observed(runs))


@given(_RUNS)
def test_one_is_chosen_exactly_when_none_races_and_it_is_the_leader(runs):
    decision = Race(0.05).decide(_observed(runs))

    chosen = [key for key, standing in decision.standings.items() if standing is Standing.chosen]
    assert (Standing.racing not in decision.standings.values()) == (chosen == [decision.leader])
    assert set(decision.why) == {key for key, each in decision.standings.items() if each is Standing.eliminated}


@given(st.lists(st.lists(st.floats(-0.4, 0.4), min_size=4, max_size=4), min_size=3, max_size=3))
def test_no_candidate_races_after_the_most_blocks(costs):
    runs = [(key, costs[at][block]) for block in range(4) for at, key in enumerate("abc")]

    decision = Race(0.05, blocks=4).decide(_observed(runs))

    assert Standing.racing not in decision.standings.values()


def test_a_candidate_that_costs_twice_as_much_is_eliminated_by_its_first_runs():
    runs = [(key, cost) for _ in range(2) for key, cost in (("a", 0.0), ("b", 0.01), ("c", math.log(2)))]

    decision = Race(0.05).decide(_observed(runs))

    assert decision.standings["c"] is Standing.eliminated
    assert decision.standings["a"] is decision.standings["b"] is Standing.racing
    assert decision.why["c"] == "100 % dearer than the leader after 1 run"


def test_none_is_chosen_before_all_that_race_have_a_run():
    decision = Race(0.05).decide(_observed([("a", 0.0)] * 20 + [("b", 0.9)] * 20))

    assert decision.standings["c"] is Standing.racing
    assert Standing.chosen not in decision.standings.values()


def test_all_alike_end_with_the_claim_that_their_runs_allow():
    rng = np.random.default_rng(7)
    runs = [(key, rng.normal(0, 0.08)) for _ in range(4) for key in "abc"]

    decision = Race(0.05, blocks=4).decide(_observed(runs))
    assert all(why.endswith("not certain, but there are no more blocks") for why in decision.why.values())
    claim = decision.claim

    more = float(claim.removeprefix("It costs at most ").split(" %")[0])
    assert more > 5


def test_a_second_run_without_a_rate_that_keeps_the_objective_eliminates():
    race, observed = Race(0.05), _observed([("a", 0.0), ("b", 0.0)])

    assert race.decide(observed | {"c": [_bound(2, 1)]}).standings["c"] is Standing.racing
    decision = race.decide(observed | {"c": [_bound(2, 1), _bound(3, 2)]})
    assert decision.standings["c"] is Standing.eliminated
    assert decision.why["c"] == "no rate met the objective in 2 runs"


def test_none_is_chosen_where_no_candidate_keeps_the_objective():
    decision = Race(0.05).decide({key: [_bound(at, 1), _bound(at + 9, 2)] for at, key in enumerate("abc")})

    assert set(decision.standings.values()) == {Standing.eliminated}
    assert decision.leader is None
    assert decision.claim


def test_a_candidate_without_a_rival_is_chosen_after_one_full_run():
    short, full = Observation(0, 1, Length.short, 0.0, 0.07), Observation(1, 2, Length.full, 0.0, 0.03)

    assert Race(0.05).decide({"a": [short]}).standings == {"a": Standing.racing}
    assert Race(0.05).decide({"a": [short, full]}).standings == {"a": Standing.chosen}
    assert Race(0.05).decide({"a": [full]}).standings == {"a": Standing.chosen}
    assert Race(0.05, blocks=1).decide({"a": [short]}).standings == {"a": Standing.chosen}


def test_a_candidate_without_a_rival_is_not_said_to_be_the_cheapest():
    decision = Race(0.05).decide({"a": [Observation(0, 1, Length.full, 0.0, 0.03)]})

    assert decision.claim == "No other candidate was compared with it."


def test_the_first_block_is_short_unless_a_candidate_has_no_rival():
    race = Race(0.05)

    assert [race.length(block, 2) for block in (1, 2, 3)] == [Length.short, Length.full, Length.full]
    assert race.length(1, 1) is Length.full


# They tell by themselves how much deployments differ, which is more than what is assumed.
_ENOUGH = [*((key, 2.0 + far) for far in (-0.06, 0.0, 0.06) for key in "bc"), ("a", 0.0)]


def test_a_choice_says_what_is_assumed_until_the_runs_outweigh_it():
    apart = [("b", 2.0), ("c", 2.0), ("a", 0.0)]
    assumed = "by 3 % (standard deviation). That is assumed, because too few candidates were run again; more blocks"

    for few in (apart, [("b", 2.0), *apart], [("b", 2.0), ("c", 2.0), *apart]):
        claim = Race(0.05).decide(_observed(few)).claim
        assert assumed in claim
        assert "95 %" not in claim
    assert Race(0.05).decide(_observed(_ENOUGH)).claim.endswith("with 95 % certainty.")


def test_failed_candidates_that_may_come_back_make_no_elimination_easier():
    observed = _observed([("a", 0.0), ("b", 0.3), ("c", 0.0)] * 2)
    standings = [Race(0.05).decide(observed, asked).standings["b"] for asked in (3, 10**9)]

    assert standings == [Standing.eliminated, Standing.racing]


@pytest.mark.parametrize("candidates", [2, 6])
def test_the_best_is_chosen_in_95_percent_when_all_others_are_just_out_of_the_zone(candidates):
    log_costs = [0.0] + [_WITHIN + 1e-9] * (candidates - 1)

    right = [play(Race(0.05), log_costs, TYPICAL, seed).log_regret == 0 for seed in range(150)]

    # The probability of fewer by chance, were it 95 %, is 2 %.
    assert sum(right) >= 137


def test_one_that_is_eliminated_only_because_the_race_ends_may_be_best():
    runs = {"a": [Observation(0, 1, Length.full, 0.0, 0.03)], "b": [Observation(1, 1, Length.full, 0.02, 0.03)]}
    decision = Race(0.05, blocks=1).decide(runs)

    assert decision.standings == {"a": Standing.chosen, "b": Standing.eliminated}
    assert decision.may_be_best == {"b"}
    far = Race(0.05, blocks=1).decide({**runs, "b": [Observation(1, 1, Length.full, 2.0, 0.03)]})
    assert far.may_be_best == frozenset()


def test_the_claim_does_not_cover_a_candidate_whose_cost_may_be_lower_for_all_that_is_known():
    runs = {
        "a": [Observation(0, 1, Length.full, 0.6, 0.03)],
        "b": [Observation(1, 1, Length.full, 2.0, 0.03)],
        "c": [_bound(2, 1)],
    }
    assert "of those with a known cost" in Race(0.05, blocks=1).decide(runs).claim


def _raced(machines, runs):
    """Three candidates, the first ahead, each on the machines of this name."""
    observed = _observed(runs)
    return {key: [replace(run, machines=machines[key]) for run in of_one] for key, of_one in observed.items()}


def test_of_stacks_with_nodes_of_their_own_the_claim_is_what_a_verdict_says_of_the_same_runs():
    together = Race(0.05).decide(_raced(dict.fromkeys("abc", "one cluster"), _ENOUGH))
    apart = Race(0.05).decide(_raced({key: f"cluster of {key}" for key in "abc"}, _ENOUGH))

    assert (together.leader, apart.leader) == ("a", "a")
    assert together.claim.endswith("with 95 % certainty.")
    assert "95 %" not in apart.claim
    assert "if nodes of one machine type differ by 6.5 % (standard deviation)" in apart.claim


def _prior(log_cost, cpu, own):
    return StackPrior(log_cost=log_cost, parts={f"CPU {cpu}": 0.4, f"stack {own}": 0.03})


# b is on the CPU of a, and 65 % dearer by its price; c is on another one.
_PRIORS = {"a": _prior(0.0, "A", "a"), "b": _prior(0.5, "A", "b"), "c": _prior(0.1, "C", "c")}


def test_a_race_spares_the_run_of_one_that_what_is_known_puts_far_behind():
    decision = Race(0.05, priors=_PRIORS).decide(_observed([("a", 0.0)]))

    assert decision.standings == {"a": Standing.racing, "b": Standing.eliminated, "c": Standing.racing}
    assert decision.why["b"] == ("not measured: its CPU, its price and the runs of others put it 65 % above the leader")
    assert Race(0.05).decide(_observed([("a", 0.0)])).standings["b"] is Standing.racing


def test_what_was_not_measured_is_said_with_the_answer():
    decision = Race(0.05, priors=_PRIORS).decide(_observed([("a", 0.0), ("c", 0.8)] * 3))

    assert decision.standings["a"] is Standing.chosen
    assert decision.claim.endswith(
        " 1 candidate was not measured: public results of CPUs, prices and the runs of others put it too far behind."
    )


def test_a_run_that_was_under_way_counts_more_than_what_was_expected_of_it():
    runs = [("a", 0.0), ("b", -0.3)]

    decision = Race(0.05, priors=_PRIORS).decide(_observed(runs))

    assert decision.leader == "b"
    assert decision.standings["b"] is Standing.racing


def test_a_run_that_ends_after_the_answer_counts_in_the_claim_and_not_in_the_choice():
    runs = [("a", 0.0), ("c", 0.8)] * 3
    before, after = (Race(0.05, priors=_PRIORS).decide(_observed(each)) for each in (runs, [*runs, ("b", 0.4)]))

    assert after.standings == before.standings
    assert after.why["b"] == "49 % dearer than the leader after 1 run"
    assert before.claim.startswith("It is the cheapest candidate, with 95 % certainty. 1 candidate was not measured")
    assert after.claim.startswith("It is the cheapest candidate if costs differ between deployments")
    assert "not measured" not in after.claim


@given(_RUNS)
def test_a_race_with_priors_that_is_asked_after_each_run_decides_as_one_that_is_resumed(runs):
    asked = Race(0.05, priors=_PRIORS)
    decisions = [asked.decide(_observed(runs[:count])) for count in range(len(runs) + 1)]

    assert decisions[-1] == Race(0.05, priors=_PRIORS).decide(_observed(runs))


@given(_RUNS)
def test_where_nothing_is_known_of_any_a_race_is_the_same(runs):
    assert Race(0.05, priors={"another": _PRIORS["a"]}).decide(_observed(runs)) == Race(0.05).decide(_observed(runs))
