"""The report of a sweep is written beside the next update; only one that may take long is waited for."""

import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.report import render
from analysis.results.store import ResultsStore
from bench.stores.synthetic import make_search, write_run
from shapebench import sweep_report
from shapebench.sweep_report import ReportWriter
from sweep.conductor.snapshot import Snapshot
from sweep.settings import SweepSettings
from tests.unit.shapebench.sweeps import SETTINGS, simulated


def after(runs: int) -> Snapshot:
    snapshots, _ = simulated()
    return replace(snapshots[0], finished_runs=runs)


@pytest.fixture
def settings(tmp_path: Path) -> SweepSettings:
    """Of a sweep with one run in its store."""
    store = ResultsStore(str(tmp_path / "results"))
    write_run(store, *make_search(60.0))
    return SETTINGS.model_copy(update={"results": store.uri})


def runs_in(folder: Path) -> int:
    found = re.search(r"(\d+) finished runs?\. Written", (folder / "report.md").read_text())
    assert found
    return int(found[1])


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """An event; while it is not set, no report can be finished. No report counts as one that took long."""
    may_finish = threading.Event()
    monkeypatch.setattr(sweep_report, "_SHORT_S", 600.0)

    def write_held(*arguments: object, **options: object) -> None:
        assert may_finish.wait(60)
        render.write_report(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep_report, "write_report", write_held)
    return may_finish


def test_a_sweep_goes_on_while_its_second_report_is_written(
    settings: SweepSettings, tmp_path: Path, held: threading.Event
) -> None:
    with ReportWriter(settings, tmp_path / "report") as write:
        held.set()
        write(after(1))
        assert runs_in(tmp_path / "report") == 1, "the first is waited for"
        held.clear()
        write_run(ResultsStore(settings.results), *make_search(70.0, 2))
        write(after(2))
        assert runs_in(tmp_path / "report") == 1
        held.set()
    assert runs_in(tmp_path / "report") == 2, "the last one is written in the end"


def test_after_a_report_that_took_long_the_next_is_waited_for(
    settings: SweepSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_report, "_SHORT_S", 0.0)
    with ReportWriter(settings, tmp_path / "report") as write:
        write(after(1))
        write_run(ResultsStore(settings.results), *make_search(70.0, 2))
        write(after(2))
        assert runs_in(tmp_path / "report") == 2


def test_without_another_run_nothing_is_written(settings: SweepSettings, tmp_path: Path) -> None:
    with ReportWriter(settings, tmp_path / "report") as write:
        write(after(1))
        (tmp_path / "report/report.md").unlink()
        write(after(1))
    assert not (tmp_path / "report/report.md").exists()


def test_what_keeps_a_report_from_being_written_is_noted_once(
    settings: SweepSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report").touch()
    with ReportWriter(settings, tmp_path / "report") as write:
        write(after(1))
        write(after(2))
    assert capsys.readouterr().err.count("was not written") == 1


@pytest.mark.parametrize("reports_after", [1, 2], ids=["the last", "another follows"])
def test_a_mistake_in_the_program_is_noted_once_and_ends_no_sweep(
    settings: SweepSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reports_after: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ReportWriter(settings, tmp_path / "report") as write:
        write(after(1))
        monkeypatch.setattr(sweep_report, "collect", lambda *_: 1 / 0)
        for number in range(reports_after):
            write(after(2 + number))
    assert runs_in(tmp_path / "report") == 1
    said = capsys.readouterr().err
    assert said.count("was not written (ZeroDivisionError('division by zero')), but the sweep goes on") == 1
