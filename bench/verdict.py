"""How often intervals hold the true value, and how often the verdict names the best variant, over simulated stores."""

from collections import Counter

from analysis.statistics.cells import cells_of
from analysis.statistics.repeats import over_repeats
from analysis.statistics.within import run_figures
from bench.figures import Figure, argument_parser, progress, report, start
from bench.stores import choices
from bench.stores.regimes import REGIMES, Regime

STORES = 400
_SEED = 7
_P99 = 0.99
# Any price will do: the interval of the cost is the inverse of that of the goodput.
_USD_HOURLY = 1.0
_BAR = "93 .. 97"


def main() -> None:
    start(argument_parser("verdict", __doc__), ["numpy", "scipy", "pyarrow"])
    figures = []
    for regime in REGIMES:
        progress(regime.name)
        figures += coverage(regime, STORES)
    for choice in choices.CHOICES:
        progress(choice.name)
        figures += choices.figures(choice, STORES, _SEED)
    report("verdict", figures)


def coverage(regime: Regime, stores: int) -> list[Figure]:
    """The share of stores whose intervals hold the true goodput, p99 and cost, in percent."""
    truth = {
        "goodput": regime.goodput_rps,
        "p99": regime.true_p99_ms(),
        "cost": _USD_HOURLY / regime.goodput_rps,
    }
    held: Counter[str] = Counter()
    for rows_of_runs in regime.stores(stores, _SEED):
        cells = [cells_of(rows, (_P99,)) for rows in rows_of_runs]
        runs = [run_figures("run", each) for each in cells if each is not None]
        goodput = over_repeats([run.goodput_rps for run in runs])
        p99_ms = over_repeats([run.quantiles_ms[_P99] for run in runs])
        found = {"goodput": goodput, "p99": p99_ms, "cost": goodput.divides(_USD_HOURLY)}
        held.update({name: int(each.low <= truth[name] <= each.high) for name, each in found.items()})
        held["bounded"] += p99_ms.high < float("inf")
    return [
        *(Figure(f"{regime.name}: {name} held", held[name] / stores * 100, "% of stores", _BAR) for name in truth),
        Figure(f"{regime.name}: p99 has an upper bound", held["bounded"] / stores * 100, "% of stores"),
    ]


if __name__ == "__main__":
    main()
