"""Reads resource usage of a process: CPU time, resident memory and throttling. psutil comes with Locust."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Reading:
    """All values but the memory are counters. A CPU limit applies to periods, usually of a tenth of a second.

    `periods` is (all periods, periods in which the process was throttled); None where it has no limit, or the kernel
    does not report them. `stolen_s` is the part of `cpu_s` that a hypervisor gave to other machines; None of a process.
    """

    cpu_s: float
    memory_bytes: int | None = None
    periods: tuple[int, int] | None = None
    stolen_s: float | None = None


class ProcessMeter:
    """One process of this machine, with all its threads and without its children."""

    def __init__(self, pid: int, cgroups: Path = _CGROUPS) -> None:
        self._pid = pid
        groups = _cpu_groups(Path(psutil.PROCFS_PATH) / str(pid) / "cgroup", cgroups)
        limits = {group: cores for group in groups if (cores := _quota_cores(group))}
        self._limit = min(limits, key=lambda group: limits[group], default=None)

    @property
    def most_cores(self) -> float | None:
        """How many cores it may use, by its CPU affinity and CPU limit; None when it has ended."""
        try:
            cores = float(len(os.sched_getaffinity(self._pid)))
        except OSError:
            return None
        limit = self._limit and _quota_cores(self._limit)
        return min(cores, limit) if limit else cores

    def read(self) -> Reading | None:
        """Its usage until now; None when it has ended."""
        try:
            process = psutil.Process(self._pid)
            used, memory_bytes = process.cpu_times(), process.memory_info().rss
        except psutil.NoSuchProcess:
            return None
        return Reading(used.user + used.system, memory_bytes, _throttling(self._limit) if self._limit else None)


class MachineMeter:
    """All cores of this machine, for all programs; time that a hypervisor took away counts as used."""

    @property
    def most_cores(self) -> float | None:
        return float(os.cpu_count() or 1)

    def read(self) -> Reading | None:
        """Their usage since the machine started; None where the kernel does not report it."""
        try:
            times = psutil.cpu_times()
        except (OSError, ValueError):
            return None
        # User time already has the time of guests.
        busy_s = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        return Reading(busy_s, stolen_s=times.steal)


def _cpu_groups(membership: Path, cgroups: Path) -> list[Path]:
    """The control groups that may limit the process's CPU, its own first, of either version of cgroups."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return []
    paths = {controllers: path for _, controllers, path in lines}
    first = next((name for name in paths if "cpu" in name.split(",")), "")
    if first not in paths:
        return []
    root = cgroups / first
    own = root / paths[first].lstrip("/")
    return [own, *(parent for parent in own.parents if parent.is_relative_to(root))]


def quota_cores(quota: str, period: str) -> float | None:
    """A CPU limit in cores, of either version of cgroups; None for no limit. Raises ValueError on other text."""
    return None if quota.strip() == "max" or int(quota) <= 0 else int(quota) / int(period)


def _quota_cores(group: Path) -> float | None:
    """The group's CPU limit in cores; None where it has none."""
    try:
        if (both := group / "cpu.max").exists():
            quota, period = both.read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return quota_cores(quota, period)
    except (OSError, ValueError):
        return None


def _throttling(group: Path) -> tuple[int, int] | None:
    try:
        counts = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(counts["nr_periods"]), int(counts["nr_throttled"])
    except (OSError, ValueError, KeyError):
        return None
