"""When each phase is due, and which one a request belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.phases import PHASE_NAME, PhaseMarks, Timeline
from stacks.load.load_profiles import PROFILES

seconds = st.floats(min_value=0, max_value=1000)


@pytest.mark.parametrize(
    ("elapsed_s", "due"),
    [(0, "warmup"), (4.9, "warmup"), (5, "ramp"), (20.9, "ramp"), (21, "hold"), (50.9, "hold"), (51, None)],
)
def test_the_laptop_profile_warms_up_climbs_and_holds(elapsed_s: float, due: str | None) -> None:
    profile = PROFILES["laptop"]
    assert Timeline(profile.warmup_s, profile.ramp_s, profile.duration_s).due(elapsed_s) == due


def test_without_a_warm_up_the_ramp_comes_first() -> None:
    assert Timeline(0, 150, 300).due(0) == "ramp"


def test_a_ramp_longer_than_the_test_leaves_no_hold() -> None:
    timeline = Timeline(warmup_s=1, ramp_s=100, duration_s=10)
    assert timeline.due(10.9) == "ramp"
    assert timeline.due(11) is None


@given(seconds, seconds, seconds, seconds)
def test_the_next_change_is_where_another_phase_begins(
    warmup_s: float, ramp_s: float, duration_s: float, elapsed_s: float
) -> None:
    timeline = Timeline(warmup_s, ramp_s, duration_s)
    change_s = timeline.next_change_s(elapsed_s)
    if change_s is None:
        assert timeline.due(elapsed_s) is None
    else:
        assert change_s > elapsed_s
        assert timeline.due(change_s) != timeline.due(elapsed_s)


def test_a_request_belongs_to_the_phase_in_which_it_was_sent() -> None:
    marks = PhaseMarks()
    assert marks.current is None
    marks.enter("warmup", 100)
    marks.enter("ramp", 200)
    marks.enter("ramp", 250)
    marks.enter("hold", 300)
    assert marks.current == "hold"
    assert [marks.at(start_us) for start_us in (100, 199, 200, 299, 300, 999)] == [
        "warmup", "warmup", "ramp", "ramp", "hold", "hold",
    ]  # fmt: skip


def test_a_clock_that_was_set_back_does_not_leave_a_request_without_a_phase() -> None:
    marks = PhaseMarks()
    marks.enter("ramp", 100)
    assert marks.at(99) == "ramp"


@pytest.mark.parametrize("name", ["", "held", "step-", "hold "])
def test_a_name_that_is_not_a_phase_does_not_match(name: str) -> None:
    assert not PHASE_NAME.fullmatch(name)
