"""Why a variant has no fleet."""

from analysis.objective import Objective
from analysis.planning.fleet.offers import Terms, offers_of
from analysis.verdict.verdict import Judged, verdict_of
from tests.unit.analysis.verdict.conftest import bounded

OBJECTIVE = Objective(latency_ms=500)


def why(*runs: Judged) -> list[str]:
    _, without = offers_of(verdict_of(runs, OBJECTIVE).ranking, OBJECTIVE, Terms(), lambda _: None)
    return [reason for _, reason in without]


def test_a_variant_that_missed_even_at_the_lowest_rate_is_not_sent_to_another_search() -> None:
    [reason] = why(bounded(high=0.4, load="capacity"))
    assert "missed the objective even at its lowest rate (lowestRps)" in reason
    assert "relax the objective" in reason


def test_a_variant_of_which_no_rate_is_known_that_meets_the_objective_needs_a_search() -> None:
    [reason] = why(bounded(high=900))
    assert "run a capacity search" in reason
