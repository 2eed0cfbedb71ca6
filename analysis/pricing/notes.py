"""What list prices leave out or mix when machine types are compared by them; said beside every comparison."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from analysis.pricing import ON_DEMAND, Usage
from stacks.machines.machine_series import MachineSeries, UnknownMachineTypeError, is_custom, machine_series


def price_notes(shapes: Iterable[tuple[str, str]], usage: Usage = ON_DEMAND) -> tuple[str, ...]:
    """A sentence, without the full stop, for each thing to know; a shape is its name and its machine type."""
    of_series: dict[str, list[tuple[str, str]]] = defaultdict(list)
    known: dict[str, MachineSeries] = {}
    for name, machine_type in dict.fromkeys(shapes):
        try:
            series = machine_series(machine_type)
        except UnknownMachineTypeError:  # of a run that another version of this project made
            continue
        known[series.name] = series
        of_series[series.name].append((name, machine_type))
    compared = len(known) if usage == ON_DEMAND else 1  # only machines on demand get the discount
    return tuple(note for name, found in of_series.items() for note in _notes(known[name], found, compared))


def _notes(series: MachineSeries, shapes: Sequence[tuple[str, str]], compared: int) -> Iterator[str]:
    custom = _names(name for name, machine_type in shapes if is_custom(machine_type))
    predefined = _names(name for name, machine_type in shapes if not is_custom(machine_type))
    if series.custom and series.custom.dearer_percent and custom and predefined:
        yield (
            f"A vCPU or a GB of {series.title}'s custom types ({custom}) costs {series.custom.dearer_percent} % more"
            f" than one of its predefined types ({predefined})"
        )
    if series.sustained_use_percent and compared > 1:
        yield (
            f"Prices are list prices: of {series.title} ({_names(name for name, _ in shapes)}) Google takes up to"
            f" {series.sustained_use_percent} % off for machines that run all month, which is not counted, so beside"
            " series without this discount it looks dearer than it is"
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
