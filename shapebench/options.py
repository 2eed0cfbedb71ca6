"""Options that several commands have, each stated once."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stacks.numbers import number_of

if TYPE_CHECKING:
    from analysis.objective import Asked


def number(text: str) -> float:
    """The number in an option; raises BadParameter in plain words."""
    try:
        return number_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def whole_number(text: str) -> int:
    """The whole number in an option; raises BadParameter in plain words."""
    value = number(text)
    if not value.is_integer():
        raise typer.BadParameter(f"'{text}' is not a whole number")
    return int(value)


FLOAT: dict[str, Any] = {"parser": number, "metavar": "<float>"}
INT: dict[str, Any] = {"parser": whole_number, "metavar": "<int>"}
"""What `typer.Option` needs of a number, whose own errors are in pydantic's words."""

Project = Annotated[
    str | None,
    typer.Option(help="The Google Cloud project. (default: the stack's gcp:project, or the environment's)"),
]


def default_store() -> str:
    """The results store where none is given: that of the checkout, wherever in it one stands; else `results` here."""
    here, checkout = Path.cwd(), Path(__file__).resolve().parents[1]
    return os.path.relpath(checkout / "results", here) if here.is_relative_to(checkout) else "results"


def _store(context: typer.Context, option: typer.CallbackParam, uri: str) -> str:
    source = context.get_parameter_source(option.name or "")
    return default_store() if source is not None and source.name == "DEFAULT" else uri


Results = Annotated[
    str,
    typer.Option(
        metavar="URI",
        help="The results store: a folder, or a URI such as gs://bucket/prefix.",
        callback=_store,
    ),
]
TextFormat = Annotated[
    Literal["text", "json"], typer.Option("--format", help="Text to read, or JSON with full precision.")
]
TableFormat = Annotated[
    Literal["table", "json"], typer.Option("--format", help="A table to read, or JSON with full precision.")
]
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]

_LATENCY, _PROMISED = "LATENCY", "The promised {}, such as 400ms: one of --p90, --p95, --p99, --p999."
# Without any, the latency limit is that of the runs' capacity searches.
P90 = Annotated[str | None, typer.Option(metavar=_LATENCY, help=_PROMISED.format("p90"))]
P95 = Annotated[str | None, typer.Option(metavar=_LATENCY, help=_PROMISED.format("p95"))]
P99 = Annotated[str | None, typer.Option(metavar=_LATENCY, help=_PROMISED.format("p99"))]
P999 = Annotated[str | None, typer.Option(metavar=_LATENCY, help=_PROMISED.format("p99.9"))]
Errors = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE", help="Highest share of failed requests, such as 0.1%. (default: that of the searches, or 0.1%)"
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(metavar="USD", help="Highest cost of 730 h; the highest capacity is then best, not the lowest cost."),
]
Within = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="A difference that does not matter in practice. (default: 5%)"),
]
Zones = Annotated[
    int, typer.Option(**INT, help="Zones that the nodes are spread over; with 2 or more, one of them may be lost.")
]
Headroom = Annotated[str, typer.Option(metavar="SHARE", help="Additional load to plan for, such as 30%.")]
Clients = Annotated[
    int | None,
    typer.Option(
        **INT,
        help="Clients that send the load: over gRPC each to all nodes in turn, over REST each over its own"
        " connections. (default: so many that requests reach any node at random)",
    ),
]
Seed = Annotated[bool, typer.Option("--seed", help="Add a comparison with the fifteen published experiments.")]
ObjectiveFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="YAML with p99 (or p90, p95, p999), errors, budget, within; options override it."
    ),
]


def asked_of(*options: str | None, file: Path | None = None) -> "Asked":
    """What the options of an objective state, in the order of `analysis.objective.KEYS`, and its file."""
    from analysis.objective import KEYS, asked  # noqa: PLC0415 - start-up

    return asked(dict(zip(KEYS, options, strict=True)), file)
