"""The `shapebench` command: reads options, starts a command's module, and turns an expected error into one line."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

# Commands import what they need when they run: `shapebench --help` needs no pandas or Altair.

# As a shell tells it of a program that the signal ended.
_READER_GONE = 128 + signal.SIGPIPE

app = typer.Typer(
    help="Which node shape should serve a TensorFlow model? Reads what `pulumi up` measured.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Format(StrEnum):
    """How a command prints what it found."""

    table = "table"
    json = "json"


class Told(StrEnum):
    """How a command says what it concluded."""

    text = "text"
    json = "json"


class Prose(StrEnum):
    """The same, where it may go into a document, too."""

    text = "text"
    json = "json"
    markdown = "markdown"


Results = Annotated[
    str, typer.Option(metavar="URI", help="The results store: a folder, or a URI such as gs://bucket/prefix.")
]
OutputFormat = Annotated[Format, typer.Option("--format", help="A table to read, or JSON with full precision.")]

P99 = Annotated[str | None, typer.Option(metavar="LATENCY", help="Highest p99, such as 400ms. [default: no limit]")]
Errors = Annotated[str | None, typer.Option(metavar="SHARE", help="Most errors, such as 0.1%. [default: 5%]")]
Budget = Annotated[
    str | None,
    typer.Option(metavar="USD", help="Most to spend in 730 h; then the highest throughput wins, not the lowest cost."),
]
ObjectiveFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="YAML with p99, errors and budget; options go before it.")
]


@app.callback()
def _commands() -> None:
    """Keep `shapebench` a group of commands."""


@app.command()
def runs(results: Results = "results", output: OutputFormat = Format.table) -> None:
    """List the finished runs of a store with their figures; name what was skipped."""
    from shapebench.commands.runs import print_runs  # noqa: PLC0415 - start-up

    with _one_line_errors():
        print_runs(results, as_json=output is Format.json)


@app.command()
def price(
    stack: Annotated[list[str] | None, typer.Option(help="A stack to price; again for more. [default: all]")] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="NODESxTYPE", help="Price this instead, such as 2xe2-custom-8-16384.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Price it there. [default: the stack's region]")] = None,
    refresh: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--refresh", help="Ask Google's catalogue first and keep today's prices in the checkout.")
    ] = False,
    output: OutputFormat = Format.table,
) -> None:
    """Say what a shape costs: the line items of one, or all stacks side by side. Needs no account and no network."""
    from shapebench.commands.price import print_prices  # noqa: PLC0415 - start-up

    with _one_line_errors():
        if refresh:
            from shapebench.commands.refresh import refresh_prices  # noqa: PLC0415 - start-up

            refresh_prices()
        print_prices(stack or [], shape, region, as_json=output is Format.json)


@app.command()
def report(  # noqa: PLR0913, PLR0917 - as many as the command has options
    results: Results = "results",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where report.html and report.md go.")] = Path("report"),
    p99: P99 = None,
    errors: Errors = None,
    budget: Budget = None,
    objective: ObjectiveFile = None,
    seed: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--seed", help="Lay the runs over the published experiment's fifteen, too.")
    ] = False,
) -> None:
    """Write one HTML file (no network needed) and Markdown about all runs of a store, the verdict first."""
    from shapebench.commands.report import report_runs  # noqa: PLC0415 - start-up
    from shapebench.commands.verdict import parse_objective  # noqa: PLC0415 - start-up

    with _one_line_errors():
        report_runs(results, out, parse_objective(p99, errors, budget, objective), seed=seed)


@app.command()
def export(  # noqa: PLR0913, PLR0917 - as many as the command has options
    results: Results = "results",
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that does not exist yet.")] = Path("export"),
    p99: P99 = None,
    errors: Errors = None,
    budget: Budget = None,
    objective: ObjectiveFile = None,
    rows: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--rows", help="Every request of every run, too, as CSV and Parquet.")
    ] = False,
    seed: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--seed", help="Lay the runs over the published experiment's fifteen, too.")
    ] = False,
) -> None:
    """Write what the report shows for other programs: CSV, Parquet, Markdown, every chart as SVG and PNG."""
    from shapebench.commands.report import export_runs  # noqa: PLC0415 - start-up
    from shapebench.commands.verdict import parse_objective  # noqa: PLC0415 - start-up

    with _one_line_errors():
        export_runs(results, out, parse_objective(p99, errors, budget, objective), rows=rows, seed=seed)


@app.command()
def preflight(
    stack: Annotated[str, typer.Option(help="The stack that is to be made.")],
    project: Annotated[
        str | None, typer.Option(help="Look there. [default: the stack's gcp:project, or the environment's]")
    ] = None,
) -> None:
    """Say what Google Cloud lacks for a GKE stack, and what the stack will cost an hour. `pulumi up` asks it, too."""
    from shapebench.commands.preflight import preflight as ask  # noqa: PLC0415 - start-up

    with _one_line_errors():
        ask(stack, project)


@app.command()
def verdict(
    results: Results = "results",
    p99: P99 = None,
    errors: Errors = None,
    budget: Budget = None,
    objective: ObjectiveFile = None,
    output: Annotated[
        Prose, typer.Option("--format", help="Text, JSON with full precision, or Markdown.")
    ] = Prose.text,
) -> None:
    """Say which variant is best for an objective, and how sure that is.

    Exit code 0: there is a best. 3: nothing keeps the limits. 4: the data cannot tell.
    """
    from shapebench.commands.verdict import parse_objective, print_verdict  # noqa: PLC0415 - start-up

    with _one_line_errors():
        code = print_verdict(results, parse_objective(p99, errors, budget, objective), output.value)
    raise typer.Exit(code)


@app.command()
def janitor(
    stack: Annotated[str | None, typer.Option(help="Only what is this stack's. [default: every stack's]")] = None,
    region: Annotated[str | None, typer.Option(help="Only what is there. [default: everywhere]")] = None,
    project: Annotated[
        str | None, typer.Option(help="Look there. [default: the stack's gcp:project, or the environment's]")
    ] = None,
    state: Annotated[
        typer.FileText | None,
        typer.Option(
            metavar="FILE",
            help="What `pulumi stack export` prints of the stack (- for stdin). Only what a killed update was making,"
            " as it says, whatever its lease.",
        ),
    ] = None,
    yes: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--yes", help="Remove what is listed as removable. Nothing brings it back.")
    ] = False,
    output: OutputFormat = Format.table,
) -> None:
    """List what stacks left behind in Google Cloud, expired or orphaned; remove it with --yes.

    Ends with 0 if nothing is left over, 3 if something is, 4 if something could not be removed, 1 on other errors.
    """
    from shapebench.commands.janitor import Only  # noqa: PLC0415 - start-up
    from shapebench.commands.janitor import janitor as look  # noqa: PLC0415

    with _one_line_errors():
        raise typer.Exit(look(Only(stack, region), project, state, remove=yes, as_json=output is Format.json))


@app.command()
def plan(
    rps: Annotated[float, typer.Option(help="The load to plan for, in requests a second.")],
    p99: Annotated[str, typer.Option(metavar="TIME", help="What is promised: 99 of 100 answers within it, 300ms.")],
    zones: Annotated[int, typer.Option(help="Zones that the nodes are spread over; with 2 or more one may fail.")] = 1,
    headroom: Annotated[str, typer.Option(metavar="SHARE", help="Load to have room for on top, such as 30%.")] = "0%",
    results: Results = "results",
    output: Annotated[Told, typer.Option("--format", help="Text to read, or JSON with full precision.")] = Told.text,
) -> None:
    """Say how many nodes of which shape a load takes at a promised latency, and what they cost a month."""
    from shapebench.commands.plan import print_plan  # noqa: PLC0415 - start-up

    with _one_line_errors():
        print_plan(results, rps, p99, zones, headroom, as_json=output is Told.json)


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing, and how to mend it."""
    from shapebench.commands.doctor import doctor as examine  # noqa: PLC0415 - start-up

    raise typer.Exit(examine())


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """An error in what the user gave is a line on stderr and exit code 1; a bug keeps its traceback."""
    from analysis.results.store import StoreError  # noqa: PLC0415 - start-up
    from shapebench.output import CommandError  # noqa: PLC0415 - start-up
    from stacks.explain import SettingsError  # noqa: PLC0415 - start-up
    from stacks.shapes import UnknownMachineTypeError  # noqa: PLC0415 - start-up

    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever was reading, such as `head`, has seen enough: no error. What is still unwritten goes nowhere, or
        # Python would complain of it as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_READER_GONE) from None
    except (StoreError, SettingsError, UnknownMachineTypeError, CommandError, OSError) as error:
        typer.echo(f"shapebench: {error}", err=True)
        raise typer.Exit(1) from None
