import math
from itertools import starmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.interval import has_value
from analysis.verdict.capacity import Meets, capacities


def of(*runs):
    found, _ = capacities({"a": [(run.manifest, run.said) for run in runs]})
    return found["a"]


def test_searches_of_several_deployments_are_averaged_and_the_interval_is_over_deployments(searched):
    found = of(*starmap(searched, ((58, "8cpu-16gb", 1), (60, "8cpu-16gb", 2), (62, "8cpu-16gb", 3))))
    assert found.rps.value == pytest.approx((58 * 60 * 62) ** (1 / 3))
    assert found.rps.low < 58
    assert found.rps.high > 62
    assert (found.deployments, found.runs, found.meets) == (3, 3, Meets.yes)


def test_many_searches_of_one_deployment_are_one_deployment(searched):
    once, often = of(searched(60, deployment=1)), of(*(searched(60, deployment=1) for _ in range(9)))
    assert (often.deployments, often.runs) == (1, 9)
    assert math.log(often.rps.high / often.rps.low) > 0.8 * math.log(once.rps.high / once.rps.low)


def test_both_sides_of_a_comparison_may_have_the_same_run(searched):
    one = searched(40)
    run = one.manifest, one.said
    both, _ = capacities({"before": [run], "after": [run]})
    alone, _ = capacities({"before": [run]})
    assert both["before"].rps.value == both["after"].rps.value == alone["before"].rps.value


def test_runs_that_do_not_name_their_deployment_are_of_one(searched):
    assert of(searched(60), searched(61)).deployments == 1


def test_an_open_loop_alone_gives_bounds_and_no_value_and_they_allow_for_other_deployments(bounded):
    found = of(bounded(low=40), bounded(high=90))
    assert not has_value(found.rps)
    assert found.mean is None
    assert 30 < found.rps.low < 40
    assert 90 < found.rps.high < 120
    assert found.meets is Meets.yes


def test_an_open_loop_that_agrees_with_a_search_narrows_its_interval(searched, bounded):
    search = of(searched(60, sure=0.3))
    narrowed = of(searched(60, sure=0.3), bounded(low=59.9, high=60.1))
    assert search.rps.low < narrowed.rps.low <= 60 <= narrowed.rps.high <= search.rps.high
    assert (narrowed.runs, narrowed.deployments) == (2, 1)
    assert narrowed.contradicted_by is None


def test_a_bound_that_contradicts_a_search_makes_its_interval_no_narrower(searched, bounded):
    """The bound may be of a busy machine, or the search may: the answer covers both."""
    search = of(searched(4.9, sure=0.3))
    for bound in (bounded(high=3.6), bounded(high=2.0), bounded(low=6.0), bounded(low=12.0)):
        found = of(searched(4.9, sure=0.3), bound)
        assert found.rps.low <= search.rps.low < 4.9 < search.rps.high <= found.rps.high
        assert found.rps.low <= found.contradicted_by.high
        assert found.rps.high >= found.contradicted_by.low
        assert found.agreed_mean is None


@given(st.floats(1, 200), st.floats(0.01, 1), st.floats(0.1, 400), st.floats(0.1, 400))
def test_only_evidence_that_agrees_makes_an_answer_more_certain(searched, bounded, rps, sure, one, other):
    search = of(searched(rps, sure=sure)).rps
    found = of(searched(rps, sure=sure), bounded(low=min(one, other), high=max(one, other)))
    narrower = found.rps.low > search.low or found.rps.high < search.high
    assert not (narrower and found.contradicted_by)
    assert found.rps.low <= rps <= found.rps.high


def test_a_search_that_certified_a_rate_and_found_no_failing_one_is_a_lower_bound(bounded):
    found = of(bounded(low=40, load="capacity"))
    assert (found.rps.value, found.rps.high, found.meets) == (None, math.inf, Meets.yes)


def test_a_variant_misses_where_not_even_the_lowest_rate_of_a_search_keeps_the_objective(bounded):
    assert of(bounded(high=0.5, load="capacity")).meets is Meets.no
    assert of(bounded(high=0.6, load="capacity")).meets is Meets.unsure
    assert of(bounded(high=0.5)).meets is Meets.unsure


@given(st.lists(st.floats(10, 100), min_size=1, max_size=6), st.floats(1, 200), st.floats(1, 200))
def test_an_interval_holds_its_value_whatever_bounds_it(searched, bounded, rates, one, other):
    runs = [searched(rps, deployment=at) for at, rps in enumerate(rates)]
    found = of(*runs, bounded(low=min(one, other)), bounded(high=max(one, other)))
    assert 0 < found.rps.low <= found.rps.value <= found.rps.high
