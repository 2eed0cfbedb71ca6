"""The benchmark of damaged sweeps finds what it looks for."""

from pathlib import Path

import pytest

from bench.fleets import damaged_sweeps
from bench.fleets.damaged_sweeps import damaged_sweep, damaged_task
from bench.fleets.damages import DAMAGES, Damage
from sweep.simulation.fleet import SimulatedFleet


def only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no other damage of a sweep."""
    monkeypatch.setattr(damaged_sweeps, "DAMAGES", tuple(damage for damage in DAMAGES if damage.name == name) * 50)


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_goes_unnoticed_or_keeps_a_stack_up(tmp_path: Path, seed: int) -> None:
    assert list(damaged_sweep(tmp_path, seed).problems) == []


def test_a_figure_that_is_changed_would_go_unnoticed_without_digests_and_the_results_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_not_looked_up(*_: object) -> str:
        return ""

    only("a figure is changed", monkeypatch)
    monkeypatch.setattr("sweep.journal.database._digest", lambda *_: "x")
    monkeypatch.setattr(SimulatedFleet, "lost", is_not_looked_up)
    graded = [damaged_sweep(tmp_path / str(seed), seed) for seed in range(6)]
    assert any(outcome.is_unnoticed for outcome in graded)


def test_a_sweep_whose_stacks_are_forgotten_is_found_to_be_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only("the journal is gone", monkeypatch)
    monkeypatch.setattr(damaged_sweeps, "stacks_of", lambda _: ())
    graded = [damaged_sweep(tmp_path / str(seed), seed) for seed in range(6)]
    assert any(outcome.is_up for outcome in graded)
    assert isinstance(DAMAGES[0], Damage)


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_of_a_task_keeps_its_stack_up(tmp_path: Path, seed: int) -> None:
    assert list(damaged_task(tmp_path, seed).problems) == []


def test_a_copy_that_had_to_be_read_would_keep_a_stack_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> None:
        raise ValueError("not YAML")

    monkeypatch.setattr("sweep.pulumi_fleet.stack.write_stack_file", damaged)
    graded = damaged_task(tmp_path, 0)
    assert graded.is_up
    assert "not YAML" in graded.error
