"""The options of `shapebench sweep`, and its command."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from shapebench.errors import one_line_errors
from shapebench.options import INT, P90, P95, P99, P999, Errors, Within, number

_LIST = "N,N,…"


def sweep(  # noqa: PLR0913, PLR0917 - as many as the command has options
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SWEEP",
            help="With --resume, the id of a sweep. (default: the newest) With --machine, types that a shell expanded.",
        ),
    ] = None,
    stack: Annotated[list[str] | None, typer.Option(help="A stack to measure; repeat for more.")] = None,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE,…",
            help="Machine types to measure, such as n4-highcpu-{2,4,8}: each on a stack like --stack, if one is given.",
        ),
    ] = None,
    total_vcpus: Annotated[
        int | None, typer.Option(**INT, help="With --machine: the vCPUs of all nodes of a stack together.")
    ] = None,
    inter_op: Annotated[str | None, typer.Option(metavar=_LIST, help="Values of interOp, such as 2,4,8.")] = None,
    intra_op: Annotated[
        str | None,
        typer.Option(metavar=_LIST, help="Values of intraOp, such as shape,cores,2: the vCPUs or cores of a node."),
    ] = None,
    batching: Annotated[
        str | None, typer.Option(metavar=_LIST, help="Largest batches, such as off,32: off is no batching.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(metavar="NAME,…", help="Protocols, such as rest,grpc.")] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Servers: on the stack local by name, such as embedded, else images."),
    ] = None,
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="A sweep file (YAML): docs/sweep.md; options override it."),
    ] = None,
    strategy: Annotated[
        Literal["race", "grid"] | None,
        typer.Option(
            help="race drops what is certainly not the cheapest; grid measures all equally often. (default: race)"
        ),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(**INT, help="Runs of each candidate at most. (default: the strategy's own number)")
    ] = None,
    within: Within = None,
    estimate: Annotated[
        bool | None,
        typer.Option(
            "--estimate/--no-estimate",
            help="Leave out stacks that public results of their CPUs, prices and the runs of others put too far"
            " behind, or measure every stack. (default: --estimate)",
        ),
    ] = None,
    parallel: Annotated[int | None, typer.Option(**INT, help="Stacks that are up at once. (default: 4)")] = None,
    max_usd: Annotated[
        float | None,
        typer.Option(parser=number, metavar="USD", help="What the sweep may cost, destroying all included."),
    ] = None,
    max_hours: Annotated[
        float | None,
        typer.Option(parser=number, metavar="HOURS", help="How long the sweep may take, destroying all included."),
    ] = None,
    results: Annotated[
        str | None, typer.Option(metavar="URI", help="The results store: a folder or a URI. (default: results)")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the report.")] = Path("report"),
    seed: Annotated[int | None, typer.Option(**INT, help="The seed of the order of the runs. (default: 1)")] = None,
    plan: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--plan", help="Only print the runs, hours and USD that each strategy is expected to take.")
    ] = False,
    resume: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool,
        typer.Option("--resume", help="Go on with a sweep that was cut off; its limits may differ."),
    ] = False,
    list_all: Annotated[bool, typer.Option("--list", help="Only list all sweeps.")] = False,  # noqa: FBT002 - as above
    yes: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--yes", help="Do not ask before a sweep that costs money.")
    ] = False,
    simulated: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--simulated", help="Show how a sweep goes, on simulated stacks; nothing is measured.")
    ] = False,
) -> None:
    """Measure many stacks and serving variants, and find the cheapest. Destroys these stacks at the end.

    \b
    Exit codes:
    0    the cheapest was found
    3    no candidate meets an objective
    4    the sweep ended before it was decided
    5    a rehearsal: all stacks are `local`, or simulated
    6    a stack or candidate failed, or something is left
    1    invalid input
    130  interrupted twice: stacks may be up
    """  # noqa: D301 - click keeps the lines below the character
    from shapebench.sweeps import command  # noqa: PLC0415 - start-up

    objective = {"p90": p90, "p95": p95, "p99": p99, "p999": p999, "errors": errors}
    stated = {key: value for key, value in objective.items() if value is not None}
    options = {
        "stacks": stack or None,
        "machines": [*machine, *(words or [])] if machine else None,
        "total_vcpus": total_vcpus,
        "inter_op": _values(inter_op),
        "intra_op": _values(intra_op),
        "batching": _values(batching),
        "protocol": _values(protocol),
        "server": _values(server),
        "objectives": [stated] if stated else None,
        "strategy": strategy,
        "blocks": blocks,
        "within": within,
        "estimate": estimate,
        "parallel": parallel,
        "max_usd": max_usd,
        "max_hours": max_hours,
        "seed": seed,
        "results": results,
    }
    given = {key: value for key, value in options.items() if value is not None}
    with one_line_errors():
        # A shell makes words of the braces in --machine TYPE, and only the first one is the value of the option.
        sweep_id = None if machine else _sweep_id(words or [])
        request = command.Request(sweep_id, file, given, out, yes=yes, simulated=simulated)
        code = command.sweep(request, _mode(sweep_id, resume=resume, plan=plan, list_all=list_all))
    raise typer.Exit(code)


def _values(text: str | None) -> list[Any] | None:
    """The values between commas; whole numbers as numbers."""
    if text is None:
        return None
    return [int(value) if re.fullmatch(r"\d+", value) else value for value in map(str.strip, text.split(","))]


def _sweep_id(words: list[str]) -> str | None:
    """The only word without an option; raises CommandError where there are more."""
    from shapebench.output import CommandError  # noqa: PLC0415 - start-up

    if len(words) > 1:
        raise CommandError(
            f"{', '.join(words)} are given without an option, and --resume takes the id of one sweep; give --machine"
            " before machine types, and --stack before each stack"
        )
    return next(iter(words), None)


def _mode(
    sweep_id: str | None, *, resume: bool, plan: bool, list_all: bool
) -> Literal["run", "resume", "plan", "list"]:
    """What the command does; raises CommandError where options exclude each other."""
    from shapebench.output import CommandError  # noqa: PLC0415 - start-up

    modes: dict[Literal["run", "resume", "plan", "list"], bool] = {"resume": resume, "plan": plan, "list": list_all}
    chosen = [mode for mode, is_chosen in modes.items() if is_chosen]
    if len(chosen) > 1:
        names = " and ".join(f"--{mode}" for mode in chosen)
        raise CommandError(f"{names} exclude each other, so nothing was done; give one of them")
    if sweep_id is not None and not resume:
        raise CommandError(
            f"{sweep_id} is given without an option, so it would be the id of a sweep, which only --resume takes;"
            f" give --resume {sweep_id} to go on with a sweep, or --stack {sweep_id} to measure a stack"
        )
    return chosen[0] if chosen else "run"
