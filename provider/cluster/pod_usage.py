"""A container's CPU and memory use and its node's, read inside it: control groups of either version, and /proc."""

import re
from dataclasses import dataclass

from loadtest.generator.monitoring.process_meter import Reading, quota_cores

_V2 = "/sys/fs/cgroup/"
_UPTIME = "/proc/uptime"
# Of the whole node: a container has its own process IDs, but no statistics of its own.
_STAT, _MEMORY, _ONLINE = "/proc/stat", "/proc/meminfo", "/sys/devices/system/cpu/online"
_AVAILABLE = ("MemTotal", "MemAvailable")
_TICKS_A_SECOND = 100  # USER_HZ, which is 100 on every architecture that Kubernetes runs on
_FILES = (
    _UPTIME,
    _STAT,
    _ONLINE,
    _MEMORY,
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
# The shell alone, so that the image needs no programs and a reading starts none. It reads a byte at a time, so it stops
# after the last line that counts in the files of the node. It prints all at once: each piece would pass through the
# kubelet by itself.
_PRINT = """\
nl='
'
while read -r _; do
  all=
  for file in "$@"; do
    [ -r "$file" ] || continue
    all="$all== $file$nl"
    while read -r line; do
      all="$all$line$nl"
      case "$line" in "cpu "* | MemAvailable:*) break ;; esac
    done < "$file"
  done
  printf '%s' "$all== end$nl"
done
"""
COMMAND = ("sh", "-c", _PRINT, "sh", *_FILES)
"""Prints the files, and END, for each line of its input."""
END = "== end\n"


@dataclass(frozen=True)
class ContainerUsage:
    """CPU time and memory at the node's `uptime_s`; `used.memory_bytes` is the working set, as Kubernetes defines it.

    `most_cores` is what the container may use: its node's cores, or its CPU limit if that is less; None if unknown.
    `others` is what everything else on its node uses, the kernel and a hypervisor's other guests included: the CPU time
    that was not idle, and the memory that cannot be had; None if unknown.
    """

    uptime_s: float
    used: Reading
    most_cores: float | None
    others: Reading | None = None


def parse_usage(printed: str) -> ContainerUsage:
    """Parse what COMMAND prints for one line; raises ValueError where the uptime or the CPU time is missing."""
    parts = re.split(r"^== (.+)\n", printed, flags=re.MULTILINE)[1:]
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    if _UPTIME not in files:
        raise ValueError("/proc/uptime is missing from its files")
    cpu_s = _cpu_s(files)
    counts = _counts(files, "cpu.stat") or _counts(files, "cpu/cpu.stat")
    periods = (counts["nr_periods"], counts["nr_throttled"]) if counts.get("nr_periods") else None
    known_cores = [cores for cores in (_quota_cores(files), _usable_cores(files)) if cores is not None]
    uptime_s = float(files[_UPTIME].split()[0])
    return ContainerUsage(
        uptime_s=uptime_s,
        others=_others(files, uptime_s, cpu_s),
        used=Reading(cpu_s=cpu_s, memory_bytes=_memory(files, "inactive_file"), periods=periods),
        most_cores=min(known_cores, default=None),
    )


def _cpu_s(files: dict[str, str]) -> float:
    if (microseconds := _counts(files, "cpu.stat").get("usage_usec")) is not None:
        return microseconds / 1e6
    if nanoseconds := files.get(f"{_V2}cpuacct/cpuacct.usage"):
        return int(nanoseconds) / 1e9
    raise ValueError("its cgroup reports no CPU time")


def _others(files: dict[str, str], uptime_s: float, own_cpu_s: float) -> Reading | None:
    """What is busy of the node, less the container's own; None where the node's files are not there."""
    # user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5).
    ticks = re.match(r"cpu +\d+ \d+ \d+ (\d+) (\d+) \d+ \d+ (\d+)", files.get(_STAT, ""))
    total, free = (re.search(rf"^{name}: +(\d+) kB", files.get(_MEMORY, ""), re.MULTILINE) for name in _AVAILABLE)
    cores, own_bytes = _cores(files.get(_ONLINE)), _memory(files, "inactive_file", "active_file", "slab_reclaimable")
    if ticks is None or total is None or free is None or cores is None or own_bytes is None:
        return None
    # By the idle time, which the kernel takes from its clock: busy time is sampled at ticks, which short work evades.
    idle_s, waiting_s, stolen_s = (int(count) / _TICKS_A_SECOND for count in ticks.groups())
    return Reading(
        cpu_s=cores * uptime_s - idle_s - waiting_s - own_cpu_s,
        memory_bytes=max(0, 1024 * (int(total[1]) - int(free[1])) - own_bytes),
        stolen_s=stolen_s,
    )


def _memory(files: dict[str, str], *given_back: str) -> int | None:
    """The memory charged to the container, without what the kernel takes back when it needs memory."""
    for current, stat, prefix in (
        ("memory.current", "memory.stat", ""),
        ("memory/memory.usage_in_bytes", "memory/memory.stat", "total_"),
    ):
        if used := files.get(_V2 + current):
            counts = _counts(files, stat)
            return max(0, int(used) - sum(counts.get(prefix + name, 0) for name in given_back))
    return None


def _quota_cores(files: dict[str, str]) -> float | None:
    quota, period = (files.get(f"{_V2}cpu.max") or "max 1").split()
    if old := files.get(f"{_V2}cpu/cpu.cfs_quota_us"):
        quota, period = old, files[f"{_V2}cpu/cpu.cfs_period_us"]
    return quota_cores(quota, period)


def _usable_cores(files: dict[str, str]) -> float | None:
    return _cores(files.get(f"{_V2}cpuset.cpus.effective") or files.get(f"{_V2}cpuset/cpuset.effective_cpus"))


def _cores(listed: str | None) -> float | None:
    """How many a list such as `0-2,5` names; None without one."""
    ranges = [part.split("-") for part in (listed or "").strip().split(",") if part]
    return float(sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)) or None


def _counts(files: dict[str, str], name: str) -> dict[str, int]:
    pairs = (line.split() for line in files.get(_V2 + name, "").splitlines())
    return {key: int(value) for key, value in pairs}
