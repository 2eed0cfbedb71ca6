"""The table of repeats: each figure's lowest and highest run, and how runs differ beside how sure one run is."""

from collections.abc import Iterable, Mapping

from analysis.formatting import number, percent
from analysis.statistics.spread import Repeats

SPREAD_TITLE = "From run to run, and within a run"

# The first two are words.
SPREAD_COLUMNS = ("repeats", "figure", "runs", "lowest", "median", "highest", "run to run, %", "within a run, %")

_LABELS = {"goodput_rps": "good, 1/s", "p50_ms": "p50, ms", "p99_ms": "p99, ms"}

SPREAD_EXPLAINED = (
    "Both percentages are standard deviations: of the runs' figures, and of one run's figure as its own interval has "
    "it. Where the first is the larger, one run says less than it seems to."
)


def spread_rows(groups: Iterable[Repeats], names: Mapping[str, str]) -> list[tuple[str, ...]]:
    """A row for each figure of each group, which goes by the name of its first run."""
    return [
        (
            names[group.manifests[0].run_id],
            _LABELS[spread.figure],
            str(len(group.manifests)),
            number(spread.lowest),
            number(spread.middle),
            number(spread.highest),
            percent(spread.between),
            percent(spread.within),
        )
        for group in groups
        for spread in group.spreads
    ]
