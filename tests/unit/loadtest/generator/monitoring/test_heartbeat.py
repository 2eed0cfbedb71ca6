"""What a worker reports of its own CPU use, on a clock of the test."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest.generator.monitoring.health import Health
from loadtest.generator.monitoring.heartbeat import Heartbeat
from loadtest.generator.phases import PhaseMarks
from loadtest.generator.recorder import Recorder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(wall=0.0, cpu=0.0)
    read = SimpleNamespace(perf_counter=lambda: clock.wall, process_time=lambda: clock.cpu)
    monkeypatch.setattr("loadtest.generator.monitoring.heartbeat.time", read)
    return clock


@pytest.fixture
def after(clock: SimpleNamespace, tmp_path: Path) -> Callable[[float, float], Heartbeat]:
    """Beats after more seconds of time and of CPU."""
    marks = PhaseMarks()
    heartbeat = Heartbeat(Recorder(tmp_path / "rows.csv", marks), marks, Health(marks))

    def after(wall_s: float, cpu_s: float) -> Heartbeat:
        clock.wall += wall_s
        clock.cpu += cpu_s
        heartbeat.beat(users=1)
        return heartbeat

    return after


def test_the_peak_is_that_of_the_busiest_second(after: Callable[[float, float], Heartbeat]) -> None:
    assert [after(1.0, cpu_s).cpu_percent for cpu_s in (0.25, 0.75, 0.5)] == [25, 75, 50]
    assert after(1.0, 0.1).totals()["cpu_peak_percent"] == 75


def test_a_busy_part_of_a_second_is_no_peak_and_counts_with_the_next(
    after: Callable[[float, float], Heartbeat],
) -> None:
    assert after(0.25, 0.25).cpu_percent is None
    assert after(1.0, 0.25).cpu_percent == 40
    assert after(1.0, 0.25).totals()["cpu_peak_percent"] == 40


def test_cpu_use_before_the_test_does_not_count(after: Callable[[float, float], Heartbeat]) -> None:
    after(0.25, 0.25).begin()
    assert after(1.0, 0.25).cpu_percent == 25
