import math
from dataclasses import replace

from scipy import stats

from sweep.strategies.grid import Grid
from sweep.strategies.single_stage import blocks_needed
from sweep.strategy import Observation, Standing
from sweep.tasks import Length


def _runs(*log_costs, is_bound=False):
    return [
        Observation(block, block, Length.full, cost, 0.01, is_bound=is_bound) for block, cost in enumerate(log_costs, 1)
    ]


def test_no_candidate_is_eliminated_before_all_have_all_blocks():
    decision = Grid(0.05, blocks=2).decide({"a": _runs(0.0, 0.01), "b": _runs(2.0)})

    assert set(decision.standings.values()) == {Standing.racing}
    assert decision.leader == "a"


def test_the_lowest_mean_is_chosen_and_the_others_say_by_how_much_they_are_dearer():
    decision = Grid(0.05, blocks=3).decide({"a": _runs(0.2, 0.21, 0.19), "b": _runs(0.0, 0.01, -0.01)})

    assert decision.standings == {"a": Standing.eliminated, "b": Standing.chosen}
    assert decision.why == {"a": "22 % dearer than the leader after 3 runs"}
    assert decision.claim == "It is the cheapest candidate, with 95 % certainty."


def test_after_one_run_each_there_is_no_certainty_but_what_follows_from_an_assumption():
    decision = Grid(0.05, blocks=1).decide({"a": _runs(2.0), "b": _runs(0.0)})

    assert decision.claim == (
        "It is the cheapest candidate if costs differ between deployments of a candidate by 3 % (standard deviation)."
        " That is assumed, because too few candidates were run again; more blocks measure it."
    )
    assert "95 %" not in decision.claim


def test_the_assumption_is_said_until_the_runs_outweigh_it():
    claims = [
        Grid(0.05, blocks=blocks).decide({"a": _runs(*[0.0] * blocks), "b": _runs(*[2.0] * blocks)}).claim
        for blocks in (1, 2, 3)
    ]

    assert ["That is assumed" in claim for claim in claims] == [True, True, False]


def test_on_one_machine_deployments_are_assumed_to_differ_more():
    runs = {key: [replace(run, deployment_sd=0.10) for run in _runs(cost)] for key, cost in (("a", 0.0), ("b", 0.16))}
    claim = Grid(0.05, blocks=1).decide(runs).claim

    # By Student's t of three degrees of freedom, on one side.
    most = math.expm1(stats.t.ppf(0.95, 3) * math.sqrt(2) * math.hypot(0.10, 0.01) - 0.16)
    assert claim.startswith(f"It may cost up to {100 * most:.0f} % more")
    assert "by 10 % (standard deviation)" in claim


def on(machines, runs):
    return [replace(run, machines=machines) for run in runs]


def test_of_stacks_with_nodes_of_their_own_there_is_no_certainty_but_what_follows_if_nodes_differ():
    blocks = [0.0, 0.01, -0.01]
    runs = {"a": on("one stack", _runs(*blocks)), "b": on("another", _runs(*(cost + 0.1 for cost in blocks)))}
    decision = Grid(0.05, blocks=3).decide(runs)

    assert decision.leader == "a"
    assert decision.may_be_best == {"b"}
    assert "95 %" not in decision.claim
    assert "if nodes of one machine type differ by 6.5 % (standard deviation)" in decision.claim
    assert (
        Grid(0.05, blocks=3)
        .decide({"a": runs["a"], "b": on("one stack", runs["b"])})
        .claim.endswith("with 95 % certainty.")
    )


def test_a_candidate_without_a_rival_is_not_said_to_be_the_cheapest():
    assert Grid(0.05, blocks=1).decide({"a": _runs(0.0)}).claim == "No other candidate was compared with it."


def test_candidates_that_failed_and_may_come_back_leave_the_number_of_blocks_as_it_is():
    runs = {key: _runs(*[at / 10] * blocks_needed(2, 0.05)) for at, key in enumerate("ab")}

    assert Standing.racing not in Grid(0.05).decide(runs).standings.values()
    assert Standing.racing in Grid(0.05).decide(runs, 15).standings.values()


def test_what_the_runs_do_not_show_is_not_claimed():
    decision = Grid(0.05, blocks=2).decide({"a": _runs(0.0, 0.1), "b": _runs(0.02, 0.1)})

    assert "may cost up to" in decision.claim


def test_none_is_chosen_where_no_rate_keeps_the_objective():
    decision = Grid(0.05, blocks=1).decide({"a": _runs(0.0, is_bound=True), "b": _runs(0.0, is_bound=True)})

    assert Standing.chosen not in decision.standings.values()
    assert decision.leader is None
    assert decision.claim == "No candidate met the objective at any rate that was tried."


def test_without_a_number_there_are_as_many_blocks_as_the_single_stage_procedure_needs():
    assert Grid(0.05).most_blocks(15) == blocks_needed(15, 0.05)
    assert Grid(0.05, blocks=2).most_blocks(15) == 2


def test_one_that_is_not_certainly_dearer_may_be_best_as_a_verdict_says_it():
    runs = {"a": _runs(0.0, 0.02, 0.01), "b": _runs(0.01, 0.03, 0.02), "c": _runs(1.0, 1.0, 1.0)}
    decision = Grid(0.05, blocks=3).decide(runs)

    assert decision.may_be_best == {"b"}
    assert "at most" in decision.claim


def test_the_claim_does_not_cover_a_candidate_whose_cost_may_be_lower_for_all_that_is_known():
    decision = Grid(0.05, blocks=1).decide({"a": _runs(0.0), "b": _runs(-0.1, is_bound=True)})

    assert decision.claim.startswith(
        "It is the cheapest candidate of those with a known cost if costs differ between deployments"
    )
    assert decision.claim.endswith(
        "The cost of 1 candidate is not known, because no rate that was tried met the objective."
    )
    above = Grid(0.05, blocks=1).decide({"a": _runs(0.0), "b": _runs(2.0, is_bound=True)})
    assert above.claim.startswith("It is the cheapest candidate if")
