import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.load.load_profiles import PROFILES, CapacitySearch
from sweep.lengths import load_of, short_load
from sweep.tasks import Length, Measure
from tests.support.sweeps import candidate

_LOAD = PROFILES["capacity"]


@given(duration_s=st.floats(1, 3600), precision=st.floats(0.002, 0.5))
def test_a_short_run_is_never_longer_nor_more_precise_than_what_was_asked_for(duration_s, precision):
    assert isinstance(_LOAD, CapacitySearch)
    load = _LOAD.model_copy(update={"duration_s": duration_s, "precision": precision})

    short = short_load(load)

    assert short.duration_s <= duration_s
    assert short.precision >= precision
    assert (short.quantile, short.latency_ms, short.seed) == (load.quantile, load.latency_ms, load.seed)


def test_only_a_short_run_of_the_profile_is_cut_to_a_minute_and_a_half():
    of = candidate("a")

    assert load_of(Measure(of, 1, Length.short)).duration_s == 90
    assert load_of(Measure(of, 2, Length.full)) == of.load


@pytest.mark.parametrize(("latency_ms", "longest_s"), [(500, 90), (600, 90), (1000, 150), (10_000, 300)])
def test_a_short_run_has_time_for_steps_of_25_latency_limits_unless_a_full_one_has_not(latency_ms, longest_s):
    short = short_load(_LOAD.model_copy(update={"latency_ms": latency_ms}))

    assert short.duration_s == longest_s
