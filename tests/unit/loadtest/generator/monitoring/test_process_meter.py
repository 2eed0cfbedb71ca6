import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtest.generator.monitoring.process_meter import MachineMeter, ProcessMeter

PID = os.getpid()
STAT = "usage_usec 7\nnr_periods 40\nnr_throttled 10\nthrottled_usec 3\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up /proc."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path / "proc"))
    return tmp_path / "proc"


def kernel(proc: Path, membership: str, groups: dict[str, dict[str, str]]) -> ProcessMeter:
    """A meter of this process by a made-up /proc and /sys/fs/cgroup."""
    folder = proc / str(PID)
    folder.mkdir(parents=True)
    # A command may be called anything.
    (folder / "stat").write_text(f"{PID} (a) b (c)) S " + " ".join(["0"] * 10) + " 150 50 " + "0 " * 30)
    (folder / "statm").write_text("900 100 20 1 0 80 0\n")
    (folder / "cgroup").write_text(membership)
    for group, files in groups.items():
        (proc.parent / "cgroup" / group).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (proc.parent / "cgroup" / group / name).write_text(text)
    return ProcessMeter(PID, proc.parent / "cgroup")


def test_cpu_time_and_memory_are_in_seconds_and_bytes(proc: Path) -> None:
    reading = kernel(proc, "0::/\n", {}).read()
    assert reading is not None
    assert reading.cpu_s == 200 / os.sysconf("SC_CLK_TCK")
    assert reading.memory_bytes == 100 * os.sysconf("SC_PAGE_SIZE")
    assert reading.periods is None


@pytest.mark.parametrize(
    ("membership", "groups"),
    [
        (
            "0::/pod/box\n",
            {"pod/box": {"cpu.max": "max 100000\n"}, "pod": {"cpu.max": "50000 100000\n", "cpu.stat": STAT}},
        ),
        ("0::/\n", {".": {"cpu.max": "50000 100000\n", "cpu.stat": STAT}}),
        (
            "3:memory:/x\n2:cpu,cpuacct:/box\n0::/\n",
            {"cpu,cpuacct/box": {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000", "cpu.stat": STAT}},
        ),
        # In a container the group is named as outside, and is found at the root.
        (
            "2:cpu:/docker/box\n",
            {"cpu": {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000", "cpu.stat": STAT}},
        ),
    ],
    ids=["version 2, of the group above", "version 2, in a container", "version 1", "version 1, in a container"],
)
def test_a_cpu_limit_and_its_throttled_periods_are_read(
    proc: Path, membership: str, groups: dict[str, dict[str, str]]
) -> None:
    meter = kernel(proc, membership, groups)
    reading = meter.read()
    assert meter.most_cores == 0.5
    assert reading is not None
    assert reading.periods == (40, 10)


@pytest.mark.parametrize(
    "groups",
    [{}, {".": {"cpu.max": "max 100000\n"}}, {"cpu": {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}}],
)
def test_without_a_limit_a_process_may_use_every_core_that_it_may_run_on(
    proc: Path, groups: dict[str, dict[str, str]]
) -> None:
    membership = "2:cpu:/\n" if "cpu" in groups else "0::/\n"
    assert kernel(proc, membership, groups).most_cores == len(os.sched_getaffinity(0))


def test_a_busy_process_uses_a_core_and_an_idle_one_none() -> None:
    # A little more than is asked for below: the kernel cuts user and system time to whole ticks each.
    began = (
        "import time; e = time.process_time() + 0.55\nwhile time.process_time() < e: pass\nprint(flush=True); input()"
    )
    busy = subprocess.Popen([sys.executable, "-c", began], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert busy.stdout
    assert busy.stdin
    meter = ProcessMeter(busy.pid)
    busy.stdout.readline()
    first = meter.read()
    time.sleep(0.1)
    # Only now does it surely wait, and its memory stay as it is.
    second, resident = meter.read(), psutil.Process(busy.pid).memory_info().rss
    busy.communicate(b"\n")
    assert first is not None
    assert second is not None
    assert 0.5 <= first.cpu_s <= 0.8
    assert second.cpu_s - first.cpu_s <= 0.02
    assert second.memory_bytes == resident
    assert meter.read() is None
    assert meter.most_cores is None


def test_a_machine_is_busy_in_all_time_that_is_not_idle(proc: Path) -> None:
    proc.mkdir()
    (proc / "stat").write_text("cpu  10 20 30 1000 500 1 2 7 10 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    reading = MachineMeter().read()
    assert reading is not None
    assert reading.cpu_s == pytest.approx(70 / os.sysconf("SC_CLK_TCK"))
    (proc / "stat").unlink()
    assert MachineMeter().read() is None
