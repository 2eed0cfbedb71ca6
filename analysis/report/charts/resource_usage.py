"""CPU and memory of server, generator, machine and nodes during a run: two charts, and the numbers behind them."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from analysis.formatting import MISSING, number, percent
from analysis.report.charts.drawing import INK, MUTED, Chart, svg
from analysis.report.charts.series import Series
from analysis.report.charts.time_axis import lines_over_time, phase_bands, seconds_axis
from analysis.report.tables import Table
from analysis.results.run.resource_usage import ResourceUsage
from analysis.results.schema.samples import GENERATOR, MACHINE, SERVER

_NAMES = {SERVER: "server", GENERATOR: "generator", MACHINE: "all programs"}
_MB = 1e6


def usage_charts(name: str, usage: ResourceUsage, series: Series) -> list[Chart]:
    """Cores in use and memory, on the time axis of the latency; none where nothing was sampled."""
    if not len(usage.over_time):
        return []
    return [_cores_over_time(name, usage, series), _memory_over_time(name, usage, series)]


def usage_table(name: str, usage: ResourceUsage) -> Table:
    frame = usage.over_time
    names, memory_mb = frame["subject"].map(_NAMES), frame["memory_bytes"] / _MB
    return Table.of(
        f"Resource usage of {name}",
        ("from, s", "subject"),
        ("cores", "resident memory, MB"),
        (
            (f"{second:g}", subject, f"{cores:.2f}", number(memory))
            for second, subject, cores, memory in zip(frame["second"], names, frame["cores"], memory_mb, strict=True)
        ),
        f"Resource usage, in windows of {usage.window_s} s: mean of cores, maximum of memory.",
    )


def uses_table(usage: ResourceUsage) -> Table:
    memory = usage.over_time.groupby("subject")["memory_bytes"].max() / _MB
    return Table.of(
        "Resource usage",
        ("subject",),
        ("vCPUs", "available", "throttled, %", "memory, MB"),
        (
            (
                name,
                f"{usage.uses[subject].cores:.2f}",
                f"{usage.uses[subject].most_cores:g}",
                percent(usage.uses[subject].throttled_ratio),
                number(memory.get(subject)),
            )
            for subject, name in _NAMES.items()
            if subject in usage.uses
        ),
        "Mean of vCPUs in the counted phase; the most memory in the run, resident or the working set of a pod.",
    )


def interval_sentence(usage: ResourceUsage) -> str:
    """How often the servers were sampled; empty where they were not."""
    return "" if usage.interval_s is None else f"The servers were sampled every {number(usage.interval_s, 1)} s."


def others_sentence(usage: ResourceUsage) -> str:
    """What everything but the server used of each node, and what its hypervisor took; empty where none was sampled."""
    if not usage.others:
        return ""
    of = "its node" if len(usage.others) == 1 else "each node"
    cores, memory, stolen = zip(*_others_cells(usage), strict=True)
    known = [each for each in stolen if each != MISSING]
    steal = f", and the hypervisor gave {_range(known)} vCPUs to other machines (steal)" if known else ""
    return f"Beside the server, other programs of {of} used {_range(cores)} vCPUs and {_range(memory)} MiB{steal}."


def others_table(name: str, usage: ResourceUsage) -> Table:
    return Table.of(
        f"Other programs on the nodes of {name}",
        ("replica",),
        ("vCPUs", "memory, MiB", "steal, vCPUs"),
        ((each.replica, *cells) for each, cells in zip(usage.others, _others_cells(usage), strict=True)),
        "Everything but the server on each replica's node in the counted phase: mean of vCPUs, maximum of memory. Steal"
        " is what the hypervisor gave to other machines, on average.",
    )


def _others_cells(usage: ResourceUsage) -> list[tuple[str, str, str]]:
    return [
        (
            f"{each.cores:.2f}",
            f"{each.memory_bytes / 2**20:.0f}",
            MISSING if each.stolen_cores is None else f"{each.stolen_cores:.2f}",
        )
        for each in usage.others
    ]


def _range(cells: Sequence[str]) -> str:
    lowest, highest = min(cells, key=float), max(cells, key=float)
    return lowest if lowest == highest else f"{lowest} to {highest}"


def _cores_over_time(name: str, usage: ResourceUsage, series: Series) -> Chart:
    frame = usage.over_time
    lines = _by_subject(frame["cores"], frame, series)
    most = float(frame["most_cores"].max())
    layers = [*phase_bands(series.phases), lines_over_time(lines, list(_NAMES.values()), "cores in use", series, most)]
    serving = frame[frame["subject"] == SERVER]["most_cores"]
    limit = ""
    if len(serving):
        end_s = series.over_time["second"].max() + series.window_s
        line = pd.DataFrame([{"cores": serving.max(), "end_s": end_s, "label": "available to the server"}])
        at = alt.Y("cores:Q")
        layers += [
            alt.Chart(line).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(y=at),
            alt.Chart(line)
            .mark_text(align="right", dx=-4, dy=-6, color=INK, fontSize=11)
            .encode(x=seconds_axis("end_s", series), y=at, text="label:N"),
        ]
        limit = f" The server has {serving.max():g} available."
    drawing = svg(
        layers,
        f"Cores in use during {name}, by {_listed(lines)}, in windows of {usage.window_s} s; the numbers are in a table"
        f" below.{limit}",
    )
    return Chart("Cores in use", f"Mean of {series.window_s} s, on the time axis of the latency.", drawing)


def _memory_over_time(name: str, usage: ResourceUsage, series: Series) -> Chart:
    frame = usage.over_time.dropna(subset=["memory_bytes"])
    lines = _by_subject(frame["memory_bytes"] / _MB, frame, series)
    drawing = svg(
        [*phase_bands(series.phases), lines_over_time(lines, list(_NAMES.values()), "resident memory, MB", series)],
        f"Resident memory during {name}, by {_listed(lines)}, the most in each {usage.window_s} s; the numbers are in a"
        " table below.",
    )
    return Chart("Memory", "Resident memory; of a pod, its working set. On the time axis of the latency.", drawing)


def _by_subject(values: pd.Series, frame: pd.DataFrame, series: Series) -> pd.DataFrame:
    # A window's figure stands in its middle; the last one is shorter than the others.
    middle = (frame["second"] + series.window_s / 2).clip(upper=series.over_time["second"].max() + series.window_s)
    return pd.DataFrame({"middle": middle, "value": values, "name": frame["subject"].map(_NAMES)})


def _listed(lines: pd.DataFrame) -> str:
    return ", ".join(name for name in _NAMES.values() if name in set(lines["name"]))
