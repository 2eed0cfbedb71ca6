import io
from dataclasses import replace
from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shapebench.sweeps.view import SIMULATED, by_cost, candidates_table, duration, heading, left_out, screen, standing
from shapebench.sweeps.watch import Lines, watched
from sweep.conductor.snapshot import Place, Snapshot
from tests.unit.shapebench.sweeps.made_up import SETTINGS, simulated


def shown(snapshot: Snapshot, width: int, height: int = 50) -> str:
    output = StringIO()
    Console(file=output, width=width).print(screen(snapshot, SETTINGS, width, height))
    return output.getvalue()


def words(snapshot: Snapshot) -> set[str]:
    return set(shown(snapshot, 1000).split())


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_no_width_breaks_a_word_or_leaves_out_a_candidate(width: int) -> None:
    snapshots, _ = simulated()
    for snapshot in snapshots[::7]:
        text, known = shown(snapshot, width), words(snapshot)
        assert [word for word in text.split() if word not in known] == []
        assert max(map(len, text.splitlines())) <= width
        assert all(candidate.label in text for candidate in SETTINGS.candidates)


def test_a_low_terminal_shows_the_most_promising_and_counts_the_others() -> None:
    last = simulated()[0][-1]
    text = shown(last, 80, height=20)
    assert SETTINGS.candidates[0].label in text
    assert SETTINGS.candidates[-1].label not in text
    assert left_out(last.objectives[0], 5) == "and 4 eliminated"


def test_the_chosen_is_first_and_the_cheaper_before_the_dearer() -> None:
    found = by_cost(simulated()[1].last.objectives[0])
    assert found[0].place is Place.chosen
    costs = [each.usd_per_million or 0 for each in found]
    assert costs == sorted(costs)


def test_a_simulated_sweep_says_so_on_every_screen_and_in_the_first_line() -> None:
    snapshots, _ = simulated()
    assert all(SIMULATED in " ".join(shown(each, 60).split()) for each in (snapshots[0], snapshots[-1]))


def test_a_sweep_that_measures_is_not_called_simulated() -> None:
    assert "imulated" not in shown(replace(simulated()[0][0], simulated=False), 120)


def test_the_heading_names_the_limit_and_what_has_no_price() -> None:
    snapshot = replace(simulated()[0][-1], unpriced=("kubernetes",))
    assert "of 30.00 USD, without kubernetes (price unknown)" in heading(snapshot, SETTINGS)
    assert " of " not in heading(snapshot, SETTINGS.model_copy(update={"max_usd": None})).partition(";")[0]


def test_before_the_first_run_nobody_leads() -> None:
    assert standing(simulated()[0][0].objectives[0]).endswith("no candidate has a cost yet")


def test_a_lower_bound_of_a_cost_is_shown_as_one() -> None:
    objective = simulated()[1].last.objectives[0]
    bound = replace(objective.candidates[1], at_least=True, usd_per_million=4.0, behind=0.5)
    table = candidates_table(replace(objective, candidates=(objective.candidates[0], bound)), 5)
    assert table.rows[1][-2:] == ("≥ 4.00", "≥ 50.0 %")


@given(st.floats(0, 1e6))
def test_a_duration_is_within_a_minute_of_the_time(seconds: float) -> None:
    units = {"h": 3600, "min": 60, "s": 1}
    numbers = duration(seconds).split()
    total = sum(int(value) * units[unit] for value, unit in zip(numbers[::2], numbers[1::2], strict=True))
    assert abs(total - seconds) <= 60


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    show = Lines(SETTINGS)
    for snapshot in simulated()[0]:
        show(snapshot)
    return capsys.readouterr().err.splitlines()


def test_a_log_begins_with_what_is_simulated_and_names_every_run_and_elimination(lines: list[str]) -> None:
    assert lines[0] == SIMULATED
    outcome = simulated()[1]
    assert sum(", race: " in line for line in lines) == outcome.last.finished_runs + 1
    eliminated = {line.partition(":")[0] for line in lines if ": eliminated" in line}
    assert eliminated == {candidate.label for candidate in SETTINGS.candidates[1:]}


def test_a_log_says_nothing_twice_in_a_row(lines: list[str]) -> None:
    assert [one for one, other in pairwise(lines) if one == other] == []


def test_progress_of_a_stack_is_at_most_one_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = next(each for each in simulated()[0] if each.stacks[0].progress and each.stacks[0].task)
    snapshot = replace(snapshot, stacks=snapshot.stacks[:1])
    show = Lines(SETTINGS)
    for second in range(0, 600, 5):
        show(replace(snapshot, hours=second / 3600))
    progress = [line for line in capsys.readouterr().err.splitlines() if "(simulated)" in line]
    assert len(progress) == 9


def test_a_pipe_that_is_closed_is_an_error_of_the_view_and_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setenv("FORCE_COLOR", "1")  # so that the pipe is taken for a terminal
    monkeypatch.setattr("sys.stderr", Closed())
    with pytest.raises(BrokenPipeError), watched(SETTINGS) as show:
        show(simulated()[0][0])
