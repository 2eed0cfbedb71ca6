"""Files as containers have them: of version 2 from a pod of Kubernetes 1.34 with a limit, of version 1 the same."""

import os
import re
import subprocess
import time

import pytest

from provider.cluster.pod_usage import COMMAND, END, parse_usage

V2 = """\
== /proc/uptime
13937.82 16908.75
== /sys/fs/cgroup/cpu.stat
usage_usec 2500000
user_usec 2000000
system_usec 500000
nr_periods 400
nr_throttled 100
throttled_usec 90000
== /sys/fs/cgroup/cpu.max
150000 100000
== /sys/fs/cgroup/cpuset.cpus.effective
0-1
== /sys/fs/cgroup/memory.current
300000000
== /sys/fs/cgroup/memory.stat
anon 200000000
inactive_file 60000000
active_file 10000000
slab_reclaimable 5000000
"""
# A node with two cores, up for 13937.82 s of which they were idle for 8000 s each and waited for a disk for 400 s.
NODE = """\
== /proc/stat
cpu  900000 1000 200000 1600000 40000 0 5000 8000 0 0
== /sys/devices/system/cpu/online
0-1
== /proc/meminfo
MemTotal:        4022992 kB
MemFree:          500000 kB
MemAvailable:    3000000 kB
"""
V1 = """\
== /proc/uptime
13937.82 16908.75
== /sys/fs/cgroup/cpuacct/cpuacct.usage
2500000000
== /sys/fs/cgroup/cpu/cpu.stat
nr_periods 400
nr_throttled 100
throttled_time 90000000
== /sys/fs/cgroup/cpu/cpu.cfs_quota_us
150000
== /sys/fs/cgroup/cpu/cpu.cfs_period_us
100000
== /sys/fs/cgroup/cpuset/cpuset.effective_cpus
0-1
== /sys/fs/cgroup/memory/memory.usage_in_bytes
300000000
== /sys/fs/cgroup/memory/memory.stat
inactive_file 1
total_inactive_file 60000000
active_file 1
total_active_file 15000000
"""


@pytest.mark.parametrize("printed", [V2, V1], ids=["v2", "v1"])
def test_both_versions_of_cgroups_give_the_same_usage(printed):
    usage = parse_usage(printed)
    assert usage.uptime_s == 13937.82
    assert usage.used.cpu_s == 2.5
    assert usage.used.periods == (400, 100)
    assert usage.used.memory_bytes == 240_000_000
    assert usage.most_cores == 1.5


@pytest.mark.parametrize("printed", [V2, V1], ids=["v2", "v1"])
def test_what_the_container_does_not_use_of_its_node_is_used_by_other_programs(printed):
    others = parse_usage(printed + NODE).others
    # Two cores had 13937.82 s each, of which 16400 s were not used and 2.5 s were used by the container.
    assert others.cpu_s == pytest.approx(2 * 13937.82 - 16400 - 2.5)
    assert others.stolen_s == 80
    # 225 of the container's 300 MB cannot be given to others.
    assert others.memory_bytes == (4022992 - 3000000) * 1024 - 225_000_000


@pytest.mark.parametrize("missing", ["cpu ", "/online", "MemAvailable:", "MemTotal:"])
def test_without_a_figure_of_the_node_nothing_is_said_of_other_programs(missing):
    assert parse_usage(V2).others is None
    assert parse_usage(V2 + NODE.replace(missing, "other")).others is None


@pytest.mark.parametrize(
    "printed",
    [
        V2.replace("150000 100000", "max 100000").replace("nr_periods 400", "nr_periods 0"),
        V1.replace("\n150000\n", "\n-1\n").replace("nr_periods 400", "nr_periods 0"),
    ],
    ids=["v2", "v1"],
)
def test_a_container_without_a_limit_may_use_its_node_and_is_never_throttled(printed):
    usage = parse_usage(printed)
    assert usage.most_cores == 2
    assert usage.used.periods is None


def test_cores_that_are_not_consecutive_are_counted():
    assert parse_usage(V2.replace("0-1", "0-2,5,8-9").replace("150000", "max")).most_cores == 6


def test_what_a_container_does_not_report_is_unknown_and_not_zero():
    usage = parse_usage("== /proc/uptime\n1.0 1.0\n== /sys/fs/cgroup/cpu.stat\nusage_usec 5\n")
    assert (usage.used.memory_bytes, usage.used.periods, usage.most_cores) == (None, None, None)


@pytest.mark.parametrize(
    ("printed", "missing"),
    [
        ("", "/proc/uptime is missing"),
        ("== /proc/uptime\n1.0 1.0\n", "reports no CPU time"),
        ("== /proc/uptime\n1.0 1.0\n== /sys/fs/cgroup/cpu.stat\nnr_periods 5\n", "reports no CPU time"),
    ],
)
def test_a_container_that_reports_no_usage_is_an_error_and_not_zero(printed, missing):
    with pytest.raises(ValueError, match=missing):
        parse_usage(printed)


def printed_for(lines: int) -> str:
    """What the command prints on this machine for so many lines of input."""
    return subprocess.run(COMMAND, input="\n" * lines, check=True, capture_output=True, text=True).stdout


def test_the_command_answers_each_line_and_ends_with_its_input():
    """So no process stays in a server's container when the connection is lost."""
    assert printed_for(0) == ""
    first, second, rest = printed_for(2).split(END)
    assert rest == ""
    assert first.startswith("== /proc/uptime\n")
    assert second.startswith("== /proc/uptime\n")


def test_the_command_needs_nothing_but_a_shell():
    environment = {"PATH": "/nowhere"}
    done = subprocess.run(COMMAND, env=environment, executable="/bin/sh", input=b"\n", check=True, capture_output=True)
    assert done.stdout.decode().startswith("== /proc/uptime\n")
    assert done.stderr == b""


def test_the_command_prints_no_more_of_the_node_than_what_is_read():
    """A line of /proc/stat has a number for each interrupt, and the shell reads a byte at a time."""
    printed = printed_for(1)
    assert re.search(r"== /proc/stat\ncpu .*\n==", printed)
    assert "MemAvailable:" in printed
    assert "Buffers:" not in printed


def test_the_busy_time_of_this_machine_is_what_its_idle_time_leaves():
    """On the machine that runs this, where the whole machine is the node."""

    def busy_s() -> tuple[float, float]:
        printed = printed_for(1)
        node, _, _ = printed.partition("== /sys/fs/cgroup/")
        group = "== /sys/fs/cgroup/cpu.stat\nusage_usec 0\n== /sys/fs/cgroup/memory.current\n0\n"
        usage = parse_usage(group + node)
        assert usage.others is not None
        return usage.uptime_s, usage.others.cpu_s

    (from_s, before_s), spun_s = busy_s(), time.process_time()
    while time.process_time() - spun_s < 0.5:
        pass
    to_s, after_s = busy_s()
    assert 0.4 < after_s - before_s < (os.cpu_count() or 1) * (to_s - from_s) + 0.1
