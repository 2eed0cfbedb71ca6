import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.objective import Objective
from analysis.statistics.estimate import Estimate
from analysis.verdict.compare import ratio, runs_to_settle
from analysis.verdict.ranking import Meets, rank

CHEAPEST = Objective(latency_ms=400, errors=0.001)
FASTEST = Objective(latency_ms=400, errors=0.001, budget_usd_730h=1000)


def test_the_cheapest_that_meets_the_objective_is_first_and_what_certainly_costs_more_is_not_tied(ranked):
    dear, cheap = ranked("dear", goodput=40), ranked("cheap", goodput=50)
    best, other = rank([dear, cheap], CHEAPEST)
    assert (best.label, best.tied_with_best) == ("cheap", True)
    assert (other.label, other.tied_with_best) == ("dear", False)


def test_what_the_data_cannot_tell_apart_is_tied(ranked):
    assert all(each.tied_with_best for each in rank([ranked("a", 50), ranked("b", 49.5)], CHEAPEST))


def test_a_cheaper_one_that_misses_or_may_miss_a_limit_comes_after_and_is_never_best(ranked, known_to):
    ranking = rank(
        [
            ranked("misses", 90, p99=known_to(800, 0.02)),
            ranked("may miss", 80, p99=known_to(395, 0.05)),
            ranked("keeps", 50),
        ],
        CHEAPEST,
    )
    assert [(each.label, each.meets.value, each.tied_with_best) for each in ranking] == [
        ("keeps", "yes", True),
        ("may miss", "unsure", False),
        ("misses", "no", False),
    ]


def test_nothing_is_best_where_nothing_certainly_meets_the_objective(ranked, known_to):
    assert not any(each.tied_with_best for each in rank([ranked(p99=known_to(395, 0.05))], CHEAPEST))


def test_a_p99_without_an_upper_bound_can_miss_a_limit_and_never_keep_it(ranked):
    assert ranked(p99=Estimate(100, 80, math.inf)).meets is Meets.unsure
    assert ranked(p99=Estimate(900, 800, math.inf)).meets is Meets.no


def test_one_limit_that_is_certainly_missed_decides(ranked, known_to):
    assert ranked(p99=known_to(395, 0.05), errors=Estimate(2, 1.5, 2.5)).meets is Meets.no


def test_under_a_budget_the_most_throughput_wins_whatever_it_costs(ranked):
    fast, cheap = ranked("fast", 80, usd_hourly=1.3), ranked("cheap", 50, usd_hourly=0.2)
    assert rank([cheap, fast], FASTEST)[0].label == "fast"
    assert rank([cheap, fast], CHEAPEST)[0].label == "cheap"


@given(st.lists(st.tuples(st.floats(10, 100), st.floats(0.001, 0.3), st.floats(100, 900)), min_size=1, max_size=8))
def test_no_rank_depends_on_the_order_in_which_variants_come(ranked, known_to, figures):
    variants = [
        ranked(f"v{at}", goodput, sure, p99=known_to(p99_ms, 0.1)) for at, (goodput, sure, p99_ms) in enumerate(figures)
    ]
    ranking = rank(variants, CHEAPEST)
    assert rank(variants[::-1], CHEAPEST) == ranking
    assert [each.meets for each in ranking] == sorted((each.meets for each in ranking), key=list(Meets).index)
    assert ranking[0].tied_with_best == (ranking[0].meets is Meets.yes)


def test_more_rivals_need_a_clearer_difference(ranked):
    leader, rival = ranked("leader", 50, 0.02), ranked("rival", 48.3, 0.02)
    others = [ranked(f"other {at}", 30, 0.02) for at in range(20)]
    assert not rank([leader, rival], CHEAPEST)[1].tied_with_best
    assert rank([leader, rival, *others], CHEAPEST)[1].tied_with_best


def test_the_half_widths_of_a_ratio_add_up_as_squares(known_to):
    found = ratio(known_to(110, 0.03), known_to(100, 0.04))
    assert found.value == pytest.approx(1.1)
    assert math.log(found.high / found.value) == pytest.approx(0.05)
    assert math.log(found.value / found.low) == pytest.approx(0.05)


def test_the_runs_needed_grow_with_the_inverse_square_of_the_gap():
    few, many = (20 + runs_to_settle(0.05, 20, gap) for gap in (0.048, 0.036))
    assert many / few == pytest.approx((0.048 / 0.036) ** 2, rel=0.1)
    assert runs_to_settle(0.1, 10, 0.001) is None


def test_without_a_bound_three_runs_give_one():
    assert runs_to_settle(math.inf, 1, 0.1) == 2
