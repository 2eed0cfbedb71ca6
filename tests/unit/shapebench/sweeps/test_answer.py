import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.verdict.text import NO_VERDICT
from shapebench.sweeps.answer import Exit, answer, destroy_command, exit_code, troubles
from sweep.conductor.snapshot import Ending, Outcome, Place, StackState
from tests.unit.shapebench.sweeps.made_up import SETTINGS, SWEEP_ID, simulated

FIRST = SETTINGS.candidates[0].label


@pytest.fixture
def outcome() -> Outcome:
    """Of a sweep that was decided, as if it had measured."""
    end = simulated()[1]
    return replace(end, last=replace(end.last, simulated=False))


def undecided(outcome: Outcome) -> Outcome:
    objective = replace(outcome.last.objectives[0], is_decided=False)
    return replace(outcome, ending=Ending.max_usd, last=replace(outcome.last, objectives=(objective,)))


def of_none(outcome: Outcome) -> Outcome:
    objective = outcome.last.objectives[0]
    none = tuple(replace(candidate, place=Place.eliminated) for candidate in objective.candidates)
    return replace(outcome, last=replace(outcome.last, objectives=(replace(objective, candidates=none, leader=None),)))


def with_failed_stack(outcome: Outcome) -> Outcome:
    first, *others = outcome.last.stacks
    failed = replace(first, state=StackState.failed, why="no zone has room")
    return replace(outcome, last=replace(outcome.last, stacks=(failed, *others)))


def with_failed_candidate(outcome: Outcome) -> Outcome:
    objective = outcome.last.objectives[0]
    *others, last = objective.candidates
    failed = replace(objective, candidates=(*others, replace(last, place=Place.failed, why="invalid")))
    return replace(outcome, last=replace(outcome.last, objectives=(failed,)))


def lines(outcome: Outcome, *, is_rehearsal: bool = False, grid_usd: float | None = None) -> list[str]:
    return list(answer(outcome, is_rehearsal=is_rehearsal, grid_usd=grid_usd))


def test_the_answer_is_three_lines_the_cheapest_how_surely_and_for_how_much(outcome: Outcome) -> None:
    cheapest, surely, spent = lines(outcome, grid_usd=10 * outcome.last.usd)
    assert cheapest.startswith(f"Cheapest with p99 within 500 ms and at most 0.1 % failed: {FIRST}, ")
    assert re.search(r" Next is .*, [\d.]+ % dearer as measured in its (\d+ )?runs?\.$", surely)
    assert f"{outcome.last.finished_runs} runs of 9 candidates" in spent
    assert "so 90.0 % was saved" in spent


def test_only_where_a_request_asks_for_several_predictions_the_cost_of_requests_is_said(outcome: Outcome) -> None:
    assert "requests of" not in lines(outcome)[0]
    objective = outcome.last.objectives[0]
    several = tuple(replace(candidate, instances=4, usd_per_million=2.5) for candidate in objective.candidates)
    of_four = replace(outcome, last=replace(outcome.last, objectives=(replace(objective, candidates=several),)))
    assert lines(of_four)[0].endswith(
        f"{FIRST}, 2.50 USD per million predictions (10.00 USD per million requests of 4 predictions each)."
    )


def test_the_next_is_a_candidate_with_a_cost_of_its_own(outcome: Outcome) -> None:
    objective = outcome.last.objectives[0]
    chosen, *others = sorted(objective.candidates, key=lambda each: each.place is not Place.chosen)
    failed, bound, *rest = sorted(others, key=lambda each: each.behind or 0)
    changed = (chosen, replace(failed, place=Place.failed), replace(bound, at_least=True), *rest)
    of = replace(outcome, last=replace(outcome.last, objectives=(replace(objective, candidates=changed),)))
    assert f"Next is {rest[0].candidate.label}, " in lines(of)[1]


def test_the_answer_says_how_many_runs_other_programs_disturbed(outcome: Outcome) -> None:
    told = answer(outcome, is_rehearsal=False, grid_usd=None, disturbed=3)
    assert list(told)[-1] == "3 more runs were refused, because other programs took CPU from the servers."
    assert "refused" not in "".join(lines(outcome))


def test_where_a_candidate_failed_the_chosen_one_is_the_cheapest_of_the_others_only(outcome: Outcome) -> None:
    cheapest, *_ = lines(with_failed_candidate(outcome))
    assert cheapest.startswith(
        f"Cheapest of the 8 that were measured with p99 within 500 ms and at most 0.1 % failed: {FIRST}"
    )
    objective = outcome.last.objectives[0]
    chosen, *others = sorted(objective.candidates, key=lambda each: each.place is not Place.chosen)
    alone = replace(objective, candidates=(chosen, *(replace(each, place=Place.failed) for each in others)))
    only, *_ = lines(replace(outcome, last=replace(outcome.last, objectives=(alone,))))
    assert only.startswith("Only candidate that was measured with p99")


def test_no_saving_is_claimed_where_the_grid_is_not_dearer_or_its_cost_not_known(outcome: Outcome) -> None:
    for grid_usd in (None, outcome.last.usd / 2):
        assert "saved" not in lines(outcome, grid_usd=grid_usd)[-1]


def test_a_rehearsal_and_a_simulation_say_so_first(outcome: Outcome) -> None:
    assert lines(outcome, is_rehearsal=True)[0] == f"{NO_VERDICT}."
    assert lines(simulated()[1], is_rehearsal=True)[0].startswith("Simulated: no figure is measured")


def test_an_undecided_sweep_says_why_it_ended_and_names_no_cheapest(outcome: Outcome) -> None:
    first, second, _ = lines(undecided(outcome))
    assert "--max-usd reached" in first
    assert second.startswith(f"{FIRST} leads")


@pytest.mark.parametrize(
    ("change", "is_rehearsal", "expected"),
    [
        (lambda outcome: outcome, False, Exit.best),
        (of_none, False, Exit.none_meets),
        (undecided, False, Exit.undecided),
        (undecided, True, Exit.undecided),
        (lambda outcome: outcome, True, Exit.rehearsal),
        (of_none, True, Exit.rehearsal),
        (with_failed_stack, False, Exit.failed),
        (with_failed_stack, True, Exit.failed),
        (lambda outcome: replace(outcome, may_be_up={"2cpu-4gb": "interrupted"}), False, Exit.failed),
        (lambda outcome: replace(outcome, leftovers={"2cpu-4gb": ("a disk",)}), True, Exit.failed),
        (with_failed_candidate, True, Exit.failed),
    ],
)
def test_the_exit_code_says_how_a_sweep_ended(outcome, change, is_rehearsal, expected) -> None:
    assert exit_code(change(outcome), is_rehearsal=is_rehearsal) is expected


def test_what_may_be_left_is_loud_and_comes_with_the_command_that_removes_it(outcome: Outcome) -> None:
    found = list(troubles(replace(outcome, may_be_up={"2cpu-4gb": "interrupted"}, leftovers={"4cpu-8gb": ("a disk",)})))
    assert any("2cpu-4gb MAY BE UP" in each and each.endswith("tools/take_down 2cpu-4gb") for each in found)
    assert found[-2:] == ["LEFT OF THE STACK 4cpu-8gb, WHICH MAY COST MONEY; each with how to remove it:", "    a disk"]


@pytest.mark.parametrize("text", ["config: [", "<<<<<<< HEAD", "config: {shapebench:platform: moon}"])
def test_a_stack_file_that_was_broken_since_does_not_hide_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("stacks.files.STACKS_DIR", tmp_path)
    (tmp_path / "Pulumi.2cpu-4gb.yaml").write_text(text)
    assert "pulumi destroy --stack 2cpu-4gb" in destroy_command("2cpu-4gb")


def test_what_failed_is_named_once_with_the_reason(outcome: Outcome) -> None:
    assert "The stack 2cpu-4gb failed, so its candidates were not decided: no zone has room" in list(
        troubles(with_failed_stack(outcome))
    )
    label = SETTINGS.candidates[-1].label
    assert list(troubles(with_failed_candidate(outcome))) == [
        f"{label} failed and was left out: invalid",
        f"Once the cause is fixed, this tries what failed again: shapebench sweep --resume {SWEEP_ID}",
    ]
    assert "9 candidates, of which 1 failed," in lines(with_failed_candidate(outcome))[-1]


def test_a_sweep_without_trouble_says_nothing_of_it(outcome: Outcome) -> None:
    assert list(troubles(outcome)) == []


def test_a_stack_outside_google_cloud_is_destroyed_by_pulumi_alone() -> None:
    assert "pulumi destroy --stack local --yes" in destroy_command("local")
