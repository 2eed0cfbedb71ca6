"""A container's CPU and memory use, read inside it from its control group, of either version of cgroups."""

import re
from dataclasses import dataclass

from loadtest.generator.monitoring.process_meter import Reading, quota_cores

_V2 = "/sys/fs/cgroup/"
_UPTIME = "/proc/uptime"
_FILES = (
    _UPTIME,
    f"{_V2}cpu.stat",
    f"{_V2}cpu.max",
    f"{_V2}cpuset.cpus.effective",
    f"{_V2}memory.current",
    f"{_V2}memory.stat",
    f"{_V2}cpuacct/cpuacct.usage",
    f"{_V2}cpu/cpu.stat",
    f"{_V2}cpu/cpu.cfs_quota_us",
    f"{_V2}cpu/cpu.cfs_period_us",
    f"{_V2}cpuset/cpuset.effective_cpus",
    f"{_V2}memory/memory.usage_in_bytes",
    f"{_V2}memory/memory.stat",
)
# The shell alone, so that the image needs no programs, and only one process is started.
_PRINT = (
    'for file in "$@"; do [ -r "$file" ] || continue; echo "== $file";'
    ' while read -r line; do echo "$line"; done < "$file"; done'
)
COMMAND = ("sh", "-c", _PRINT, "sh", *_FILES)


@dataclass(frozen=True)
class ContainerUsage:
    """CPU time and memory at the node's `uptime_s`; `used.memory_bytes` is the working set, as Kubernetes defines it.

    `most_cores` is what the container may use: its node's cores, or its CPU limit if that is less; None if unknown.
    """

    uptime_s: float
    used: Reading
    most_cores: float | None


def parse_usage(printed: str) -> ContainerUsage:
    """Parse the output of COMMAND; raises ValueError where the uptime or the CPU time is missing."""
    parts = re.split(r"^== (.+)\n", printed, flags=re.MULTILINE)[1:]
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    if _UPTIME not in files:
        raise ValueError("/proc/uptime is missing from its files")
    cpu_s = _cpu_s(files)
    counts = _counts(files, "cpu.stat") or _counts(files, "cpu/cpu.stat")
    periods = (counts["nr_periods"], counts["nr_throttled"]) if counts.get("nr_periods") else None
    known_cores = [cores for cores in (_quota_cores(files), _node_cores(files)) if cores is not None]
    return ContainerUsage(
        uptime_s=float(files[_UPTIME].split()[0]),
        used=Reading(cpu_s=cpu_s, memory_bytes=_working_set(files), periods=periods),
        most_cores=min(known_cores, default=None),
    )


def _cpu_s(files: dict[str, str]) -> float:
    if (microseconds := _counts(files, "cpu.stat").get("usage_usec")) is not None:
        return microseconds / 1e6
    if nanoseconds := files.get(f"{_V2}cpuacct/cpuacct.usage"):
        return int(nanoseconds) / 1e9
    raise ValueError("its control group reports no CPU time")


def _working_set(files: dict[str, str]) -> int | None:
    """The memory charged to the container, without inactive file pages, which the kernel frees when it needs memory."""
    for current, stat, idle in (
        ("memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        if used := files.get(_V2 + current):
            return max(0, int(used) - _counts(files, stat).get(idle, 0))
    return None


def _quota_cores(files: dict[str, str]) -> float | None:
    quota, period = (files.get(f"{_V2}cpu.max") or "max 1").split()
    if old := files.get(f"{_V2}cpu/cpu.cfs_quota_us"):
        quota, period = old, files[f"{_V2}cpu/cpu.cfs_period_us"]
    return quota_cores(quota, period)


def _node_cores(files: dict[str, str]) -> float | None:
    listed = files.get(f"{_V2}cpuset.cpus.effective") or files.get(f"{_V2}cpuset/cpuset.effective_cpus") or ""
    ranges = [part.split("-") for part in listed.strip().split(",") if part]
    return float(sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)) or None


def _counts(files: dict[str, str], name: str) -> dict[str, int]:
    pairs = (line.split() for line in files.get(_V2 + name, "").splitlines())
    return {key: int(value) for key, value in pairs}
