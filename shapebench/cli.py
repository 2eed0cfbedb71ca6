"""The `shapebench` command: reads options and calls a command's module."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from shapebench.errors import one_line_errors
from shapebench.options import (
    FLOAT,
    INT,
    P90,
    P95,
    P99,
    P999,
    Budget,
    Clients,
    Errors,
    Headroom,
    Json,
    ObjectiveFile,
    Project,
    Results,
    Seed,
    TableFormat,
    TextFormat,
    Within,
    Zones,
    asked_of,
    default_store,
)
from shapebench.production.options import curve, day, manifests, replay
from shapebench.sweeps.options import sweep

# Commands import what they need when they run: `shapebench --help` needs no pandas or Altair.

app = typer.Typer(
    help="Compare node shapes for serving a TensorFlow model, from the load tests of `pulumi up`.",
    no_args_is_help=True,
    # In plain text: the tables of rich cut words off where a terminal is narrow.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _complete_run(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The ids of the runs in a folder, each with its stack, for completion in a shell; a bucket would take seconds."""
    manifests = Path(context.params.get("results") or default_store()).glob("runs/stack=*/*.json")
    found = sorted(manifests, key=lambda path: path.stem, reverse=True)
    return [(path.stem, path.parent.name) for path in found if path.stem.startswith(incomplete)]


def _print_version(requested: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if requested:
        from stacks.version import VERSION  # noqa: PLC0415 - start-up

        typer.echo(f"shapebench {VERSION}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def init(  # noqa: PLR0913, PLR0917 - as many as the command has options
    stack: Annotated[str | None, typer.Argument(metavar="STACK", help="Its name. (default: the model's name)")] = None,
    model: Annotated[str | None, typer.Option(metavar="PATH", help="A SavedModel's folder. (--yes: resnet50)")] = None,
    requests: Annotated[str | None, typer.Option(metavar="PATH", help="Recorded ones. (--yes: generated)")] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="PLATFORM[:NODES]",
            help="local, kubernetes, gke, or with nodes, such as gke:4xe2-highmem-8. (--yes: local)",
        ),
    ] = None,
    machine: Annotated[
        str | None, typer.Option(metavar="TYPE", help="gke with this machine type; `shapebench shapes` lists some.")
    ] = None,
    nodes: Annotated[int, typer.Option(help="With --machine: the number of serving nodes.")] = 2,
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    zone: Annotated[str | None, typer.Option(help="The zone of a GKE cluster, whose region has the prices.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Write the stack file of a model, and create the stack. Asks at most five questions; an option answers one."""
    from shapebench.commands.setup.init import init as write  # noqa: PLC0415 - start-up
    from shapebench.commands.setup.init import platform_of  # noqa: PLC0415

    limits = {"p90": p90, "p95": p95, "p99": p99, "p999": p999}
    objective = " ".join(f"{key} {limit.replace(' ', '')}" for key, limit in limits.items() if limit is not None)
    answers = {"model": model, "requests": requests, "platform": platform, "p99": objective or None, "zone": zone}
    with one_line_errors():
        if machine is not None:
            answers["platform"] = platform_of(machine, nodes, platform)
        write(stack, answers, yes=yes)


@app.command()
def runs(
    results: Results = "results",
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """List the finished runs of a results store with their figures. Names what was skipped. `show` prints one run."""
    from shapebench.commands.results.runs import print_runs  # noqa: PLC0415 - start-up

    with one_line_errors():
        print_runs(results, as_json=as_json or output == "json")


@app.command()
def show(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="The id of the run, its beginning, or its end as `runs` shows it. (default: the newest run)",
            autocompletion=_complete_run,
        ),
    ] = None,
    results: Results = "results",
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print all that is known of one run. Figures, validity, resource usage, cost, conditions and files."""
    from shapebench.commands.results.show import print_run  # noqa: PLC0415 - start-up

    with one_line_errors():
        print_run(results, run, as_json=as_json or output == "json")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="As for `show`.", autocompletion=_complete_run)],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another one.", autocompletion=_complete_run)],
    results: Results = "results",
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print two runs side by side. What differs in their settings, and in their figures."""
    from shapebench.commands.results.compare import print_comparison  # noqa: PLC0415 - start-up

    with one_line_errors():
        print_comparison(results, first, second, as_json=as_json or output == "json")


@app.command()
def price(
    stack: Annotated[list[str] | None, typer.Option(help="A stack to price; repeat for more. (default: all)")] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="NODESxTYPE", help="A shape to price instead, such as 2xe2-custom-8-16384.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="The region of the prices. (default: the stack's region)")] = None,
    refresh: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--refresh", help="First write today's prices of Google's catalogue into the checkout.")
    ] = False,
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print the cost of a shape by line item, or of all stacks. Needs no account and no network."""
    from shapebench.commands.prices.price import print_prices  # noqa: PLC0415 - start-up

    with one_line_errors():
        if refresh:
            from shapebench.commands.prices.refresh import refresh_prices  # noqa: PLC0415 - start-up

            refresh_prices()
        print_prices(stack or [], shape, region, as_json=as_json or output == "json")


@app.command()
def shapes(
    near: Annotated[str, typer.Option(metavar="VCPUS", help="The vCPUs of all serving nodes, such as 16vcpu.")],
    memory: Annotated[str | None, typer.Option(metavar="GB", help="The least memory of all, such as 32gb.")] = None,
    region: Annotated[
        str, typer.Option(help="The region of the prices. (default: Iowa's)", show_default=False)
    ] = "us-central1",
    top: Annotated[int, typer.Option(min=1, help="How many to print.")] = 20,
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """List machine types of all series that come near a size. Prices, memory, CPU and quota; the cheapest first."""
    from shapebench.commands.prices.shapes import print_shapes  # noqa: PLC0415 - start-up

    with one_line_errors():
        print_shapes(near, memory, region, top, as_json=as_json or output == "json")


@app.command()
def estimate(  # noqa: PLR0913, PLR0917 - as many as the command has options
    model: Annotated[
        str | None, typer.Option(metavar="PATH", help="A SavedModel's folder, or its URI. (default: ResNet50)")
    ] = None,
    near: Annotated[str, typer.Option(metavar="VCPUS", help="The vCPUs of all serving nodes.")] = "16vcpu",
    memory: Annotated[str | None, typer.Option(metavar="GB", help="The least memory of all, such as 32gb.")] = None,
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    region: Annotated[
        str, typer.Option(help="The region of the prices. (default: Iowa's)", show_default=False)
    ] = "us-central1",
    results: Results = "results",
    every_shape: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--all", help="Print every shape, not only the cheapest of each machine series.")
    ] = False,
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Estimate what machine types cost before measuring any. From public benchmarks and prices, with the error.

    It is never a verdict. Where the store has capacities of this model, it is scaled to requests per second and USD.
    """
    from shapebench.commands.prices.estimate import model_of, print_estimate  # noqa: PLC0415 - start-up
    from shapebench.commands.prices.shapes import Offers  # noqa: PLC0415

    with one_line_errors():
        requested, served = asked_of(p90, p95, p99, p999, errors, None, None), model_of(model)
        offers = Offers.near(near, memory, region, served)
        as_json = as_json or output == "json"
        print_estimate(served, offers, requested, results, every_shape=every_shape, as_json=as_json)


@app.command()
def model(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="The folder of a SavedModel, or its URI, with saved_model.pb or version folders."
        ),
    ],
    signature: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The signature that requests use. (default: serving_default)"),
    ] = None,
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print what a SavedModel takes and how to measure it. With the stacks that can serve it, and a sample request."""
    from shapebench.commands.setup.model import print_model  # noqa: PLC0415 - start-up

    with one_line_errors():
        print_model(path, signature, as_json=as_json or output == "json")


@app.command()
def report(  # noqa: PLR0913, PLR0917 - as many as the command has options
    results: Results = "results",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for report.html and report.md.")] = Path(
        "report"
    ),
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    budget: Budget = None,
    within: Within = None,
    objective: ObjectiveFile = None,
    seed: Seed = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Write a report of all runs, as one HTML file and as Markdown. The HTML file needs no network."""
    from shapebench.commands.results.report import report_runs  # noqa: PLC0415 - start-up

    with one_line_errors():
        requested = asked_of(p90, p95, p99, p999, errors, budget, within, file=objective)
        report_runs(results, out, requested, seed=seed)


@app.command("open")
def open_(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that `shapebench report` wrote into.")
    ] = Path("report"),
) -> None:
    """Show the report in a browser."""
    from shapebench.commands.results.open_report import open_report  # noqa: PLC0415 - start-up

    with one_line_errors():
        open_report(folder)


@app.command()
def export(  # noqa: PLR0913, PLR0917 - as many as the command has options
    results: Results = "results",
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that does not exist yet.")] = Path("export"),
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    budget: Budget = None,
    within: Within = None,
    objective: ObjectiveFile = None,
    rows: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--rows", help="Add every request of every run, as CSV and Parquet.")
    ] = False,
    seed: Seed = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Write the content of the report as data files. CSV, Parquet, Markdown, and every chart as SVG and PNG."""
    from shapebench.commands.results.report import export_runs  # noqa: PLC0415 - start-up

    with one_line_errors():
        requested = asked_of(p90, p95, p99, p999, errors, budget, within, file=objective)
        export_runs(results, out, requested, rows=rows, seed=seed)


@app.command()
def publish(  # noqa: PLR0913, PLR0917 - as many as the command has options
    to: Annotated[Path, typer.Option(metavar="DIR", help="A folder that does not exist yet.")],
    results: Annotated[
        list[str] | None,
        typer.Option(metavar="URI", help="A results store; repeat for more. (default: that of the checkout)"),
    ] = None,
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    output: TextFormat = "text",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Write results for the public, as a store and a page. Of checked runs, without names of machines; sends nothing.

    \b
    Exit codes:
    0  the folder is written
    5  it is a rehearsal: the runs are of the stack `local`
    1  nothing is written
    """  # noqa: D301 - click keeps the lines below the character
    from shapebench.commands.results.publish import publish as write  # noqa: PLC0415 - start-up

    with one_line_errors():
        requested = asked_of(p90, p95, p99, p999, errors, None, None)
        code = write(results or [default_store()], to, requested, as_json=as_json or output == "json")
    raise typer.Exit(code)


@app.command(name="import")
def import_(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The folder that `pulumi up` named when it could not store a run."),
    ],
    results: Results = "results",
) -> None:
    """Store a run that `pulumi up` measured and could not store."""
    from shapebench.commands.results.import_run import import_run  # noqa: PLC0415 - start-up

    with one_line_errors():
        import_run(folder, results)


@app.command()
def preflight(
    stack: Annotated[str, typer.Option(help="The stack to check.")],
    project: Project = None,
) -> None:
    """Check quotas, APIs and permissions for a GKE stack. Prints its hourly price. `pulumi up` checks them, too."""
    from shapebench.commands.setup.preflight import preflight as check  # noqa: PLC0415 - start-up

    with one_line_errors():
        check(stack, project)


@app.command()
def verdict(  # noqa: PLR0913, PLR0917 - as many as the command has options
    results: Results = "results",
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    budget: Budget = None,
    within: Within = None,
    objective: ObjectiveFile = None,
    price: Annotated[
        Literal["on-demand", "spot"] | None,
        typer.Option(help="What the machines are priced at; no interruption of Spot is measured. (default: on demand)"),
    ] = None,
    output: Annotated[
        Literal["text", "json", "markdown"],
        typer.Option("--format", help="Text, JSON with full precision, or Markdown."),
    ] = "text",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print what a million predictions cost, and what to run next.

    \b
    Exit codes:
    0  a variant certainly meets the objective
    3  no variant meets the objective
    4  the runs do not show whether one does
    5  it is a rehearsal: the runs are of the stack `local`
    1  invalid input
    """  # noqa: D301 - click keeps the lines below the character
    from shapebench.commands.results.verdict import print_verdict  # noqa: PLC0415 - start-up

    with one_line_errors():
        requested = asked_of(p90, p95, p99, p999, errors, budget, within, file=objective)
        code = print_verdict(results, requested, "json" if as_json else output, price or "on-demand")
    raise typer.Exit(code)


@app.command()
def latest(
    results: Results = "results",
    against: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Another results store: say for each stack what changed since its runs."),
    ] = None,
    stack: Annotated[list[str] | None, typer.Option(help="Only this stack; repeat for more. (default: all)")] = None,
    history: Annotated[
        int, typer.Option(**INT, help="Also each stack at its last so many commits, of the runs of each alone.")
    ] = 0,
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print the newest capacity and cost of each stack. With --against, whether the cost improved."""
    from shapebench.commands.results.latest import print_changes, print_latest, require_commits  # noqa: PLC0415 - start-up

    as_json = as_json or output == "json"
    with one_line_errors():
        require_commits(history, against)
        if against is None:
            print_latest(results, stack or [], history, as_json=as_json)
        else:
            print_changes(results, against, stack or [], as_json=as_json)


@app.command()
def janitor(  # noqa: PLR0913, PLR0917 - as many as the command has options
    stack: Annotated[str | None, typer.Option(help="Only leftovers of this stack. (default: of every stack)")] = None,
    region: Annotated[str | None, typer.Option(help="Only leftovers in this region. (default: everywhere)")] = None,
    project: Project = None,
    state: Annotated[
        typer.FileText | None,
        typer.Option(
            metavar="FILE",
            help="The output of `pulumi stack export` for the stack (- for stdin). Only what a killed update was"
            " creating by this state, whatever its lease.",
        ),
    ] = None,
    yes: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--yes", help="Remove what is listed. This cannot be undone.")
    ] = False,
    output: TableFormat = "table",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """List what stacks left behind in Google Cloud. It is expired or orphaned; --yes removes it.

    \b
    Exit codes:
    0  no leftovers
    3  there are some
    4  something could not be removed
    5  none known, but a zone or region did not answer
    1  another error
    """  # noqa: D301 - click keeps the lines below the character
    from shapebench.commands.setup.janitor import janitor as clean  # noqa: PLC0415 - start-up

    with one_line_errors():
        raise typer.Exit(clean(stack, region, project, state, remove=yes, as_json=as_json or output == "json"))


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - as many as the command has options
    rps: Annotated[float, typer.Option(**FLOAT, help="The load to plan for, in requests per second.")],
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    zones: Zones = 1,
    headroom: Headroom = "0%",
    clients: Clients = None,
    results: Results = "results",
    output: TextFormat = "text",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print how many nodes of which shape a load needs at an objective. With the monthly bill at this and other loads.

    \b
    Exit codes:
    0  there is a plan
    5  it is a rehearsal: the runs are of the stack `local`
    1  there is none
    """  # noqa: D301 - click keeps the lines below the character
    from shapebench.commands.planning.plan import parse_requirement, print_plan  # noqa: PLC0415 - start-up

    with one_line_errors():
        requirement = parse_requirement(rps, zones, headroom, clients)
        requested = asked_of(p90, p95, p99, p999, errors, None, None)
        code = print_plan(results, requested, requirement, as_json=as_json or output == "json")
    raise typer.Exit(code)


@app.command()
def doctor() -> None:
    """Check what is installed, what is missing, and how to fix it."""
    from shapebench.commands.setup.doctor import doctor as check  # noqa: PLC0415 - start-up

    raise typer.Exit(check())


app.command()(day)
app.command()(curve)
app.command()(replay)
app.command()(manifests)
app.command()(sweep)
