"""The report of a sweep is written beside the next update; only one that may take long is waited for."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from analysis.objective import Asked
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import make_search, write_run
from shapebench.sweeps import report as sweep_report
from shapebench.sweeps.report import ReportWriter
from shapebench.sweeps.report_process import Order, write_reports
from sweep.conductor.snapshot import Snapshot
from sweep.settings import SweepSettings
from tests.unit.shapebench.sweeps.made_up import SETTINGS, simulated
from tools.pins import ROOT


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


class Process:
    """A script in place of the process that writes reports. It writes none while the file `hold` is there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hold = folder / "hold"
        self._folder, self._monkeypatch = folder, monkeypatch
        self.does("")

    def does(self, before: str) -> None:
        """Run these lines of Python before each report."""
        script = self._folder / "process.py"
        lines = f"""
import os, sys, time
from pathlib import Path
from shapebench.sweeps.report_process import write_reports
def orders():
    for line in sys.stdin:
        while Path({str(self.hold)!r}).exists():
            time.sleep(0.02)
        {before or "pass"}
        yield line
write_reports(orders(), sys.stdout)
"""
        script.write_text(lines)
        self._monkeypatch.setenv("PYTHONPATH", str(ROOT))
        self._monkeypatch.setattr(sweep_report, "_COMMAND", (sys.executable, str(script)))


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(tmp_path, monkeypatch)


def test_a_sweep_goes_on_while_its_second_report_is_written(
    settings: SweepSettings, tmp_path: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_report, "_SHORT_S", 600.0)  # no report counts as one that took long
    with ReportWriter(settings, tmp_path / "report") as write:
        write(after(1))
        assert runs_in(tmp_path / "report") == 1, "the first is waited for"
        process.hold.touch()
        write_run(ResultsStore(settings.results), *make_search(70.0, 2))
        write(after(2))
        assert runs_in(tmp_path / "report") == 1
        process.hold.unlink()
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
@pytest.mark.parametrize(
    ("death", "said"),
    [
        ("os.abort()", "its process ended with exit status -6"),
        ("sys.exit(3)", "its process ended with exit status 3"),
        ("1 / 0", "its process ended with exit status 1"),
    ],
)
def test_a_process_that_dies_is_noted_once_and_ends_no_sweep(  # noqa: PLR0917 - fixtures and parameters
    settings: SweepSettings,
    tmp_path: Path,
    process: Process,
    reports_after: int,
    death: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ReportWriter(settings, tmp_path / "report") as write:
        process.does(f"{death} if Path({str(tmp_path / 'die')!r}).exists() else None")
        write(after(1))
        (tmp_path / "die").touch()
        for number in range(reports_after):
            write(after(2 + number))
    assert runs_in(tmp_path / "report") == 1
    assert capsys.readouterr().err.count(f"was not written ({said}), but the sweep goes on") == 1


def test_after_a_process_has_died_another_writes_the_next_report(
    settings: SweepSettings, tmp_path: Path, process: Process
) -> None:
    process.does("os.abort()")
    with ReportWriter(settings, tmp_path / "report") as write:
        write(after(1))
        process.does("")
        write(after(2))
    assert runs_in(tmp_path / "report") == 1


def test_a_report_that_takes_too_long_is_given_up(
    settings: SweepSettings,
    tmp_path: Path,
    process: Process,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sweep_report, "_LONGEST_S", 0.5)
    process.hold.touch()
    with ReportWriter(settings, tmp_path / "report") as write:
        write(after(1))
    assert "its process ended with exit status -9" in capsys.readouterr().err


def test_a_mistake_in_the_program_is_the_answer_and_the_next_report_is_written(
    settings: SweepSettings, tmp_path: Path
) -> None:
    order = Order(settings.results, Asked(quantile=0.9, latency_ms=500.0), str(tmp_path / "report"))
    answers = StringIO()
    write_reports(["{", Order("nothing://", order.asked, "x").text, order.text], answers)
    first, second, third = map(json.loads, answers.getvalue().splitlines())
    assert first
    assert "nothing://" in second
    assert third == ""
    assert runs_in(tmp_path / "report") == 1


def test_what_a_library_prints_is_no_answer(settings: SweepSettings, tmp_path: Path) -> None:
    order = Order(settings.results, Asked(quantile=0.9, latency_ms=500.0), str(tmp_path / "report"))
    done = subprocess.run(
        [sys.executable, "-m", "shapebench.sweeps.report_process"],
        input=f"{order.text}\n", capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == '""\n'


def test_the_sweep_itself_imports_nothing_that_draws() -> None:
    code = "import sys, shapebench.sweeps.command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"altair", "jinja2", "vl_convert"} & set(loaded.split())
