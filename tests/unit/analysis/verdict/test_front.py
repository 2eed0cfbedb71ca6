import math

import pytest

from analysis.statistics.estimate import Estimate
from analysis.verdict.front import Front, front
from analysis.verdict.ranking import Limit, Ranked
from analysis.verdict.variants import Variant


def ranked(label, goodput_rps, p99_ms, *, spread=1.001, high_ms=None, errors=0.0):
    """A variant that costs 1 USD an hour, its figures known to `spread` times either way."""
    share = Estimate(errors, errors, errors)
    return Ranked(
        variant=Variant(label, ()),
        requests=1000,
        goodput_rps=Estimate(goodput_rps, goodput_rps / spread, goodput_rps * spread),
        p99_ms=Estimate(p99_ms, p99_ms / spread, high_ms or p99_ms * spread),
        usd_hourly=1.0,
        limits=(Limit("errors", "%", 5.0, share),),
    )


CHEAP, QUICK = ranked("cheap", 40, 300), ranked("quick", 20, 100)


def test_what_nothing_beats_in_both_is_on_the_front():
    middle, beaten = ranked("middle", 30, 200), ranked("beaten", 25, 250)
    assert front([CHEAP, QUICK, middle, beaten]) == {
        "cheap": Front.on,
        "quick": Front.on,
        "middle": Front.on,
        "beaten": Front.off,
    }


def test_as_cheap_and_slower_is_beaten_and_the_same_twice_is_not():
    assert front([CHEAP, ranked("slower", 40, 400)])["slower"] is not Front.on
    assert set(front([CHEAP, ranked("twin", 40, 300)]).values()) == {Front.on}


@pytest.mark.parametrize("doubtful", [{"spread": 1.5}, {"high_ms": math.inf, "spread": 1.1}])
def test_a_variant_that_is_beaten_with_uncertainty_may_be_on_the_front(doubtful):
    assert front([CHEAP, ranked("doubtful", 39, 310, **doubtful)])["doubtful"] is Front.near


def test_a_variant_with_too_many_errors_is_off_and_beats_none():
    broken = ranked("broken", 100, 10, errors=30.0)
    assert front([CHEAP, broken]) == {"cheap": Front.on, "broken": Front.off}
