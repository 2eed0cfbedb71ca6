"""The options of the commands that need a day of traffic, and these commands."""

from pathlib import Path
from typing import Annotated

import typer

from shapebench.errors import one_line_errors
from shapebench.options import (
    FLOAT,
    INT,
    P90,
    P95,
    P99,
    P999,
    Clients,
    Errors,
    Headroom,
    Json,
    Results,
    TextFormat,
    Zones,
    asked_of,
)

TrafficFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV with columns `time` (14:30) and `requests/s`, at any points of 24 h."),
]
Peak = Annotated[float | None, typer.Option(**FLOAT, help="Instead of a file, a smooth day: requests/s at its peak.")]
Night = Annotated[float | None, typer.Option(**FLOAT, help="With --peak: requests/s twelve hours later.")]
PeakAt = Annotated[str, typer.Option(metavar="TIME", help="With --peak: when the peak is.")]
MinNodes = Annotated[
    int | None,
    typer.Option(**INT, help="Fewest nodes of the autoscaled fleet. (default: one in each zone)"),
]
StartUp = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Until a pod on a new node serves: node, pod and model load. (default: the longest start of the runs' pods"
        " and 2 min)",
    ),
]
PodStartUp = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Until a pod on an empty node serves: pod and model load. (default: the median of the runs' pods, or"
        " 1 min)",
    ),
]
NodeRemoval = Annotated[
    str, typer.Option(metavar="TIME", help="How long an empty node is billed: the cluster autoscaler's wait.")
]


def day(  # noqa: PLR0913, PLR0917 - as many as the command has options
    traffic: TrafficFile = None,
    peak: Peak = None,
    night: Night = None,
    peak_at: PeakAt = "14:00",
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    zones: Zones = 1,
    headroom: Headroom = "0%",
    clients: Clients = None,
    min_nodes: MinNodes = None,
    start_up: StartUp = None,
    pod_start_up: PodStartUp = None,
    node_removal: NodeRemoval = "10min",
    results: Results = "results",
    output: TextFormat = "text",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print what a day of traffic costs with each variant. With a fleet for its peak, and with an autoscaled one.

    The autoscaled fleet is Kubernetes' HorizontalPodAutoscaler on CPU, one pod a node, with its defaults. Its target is
    the highest with which the share of the requests that are due in overload is at most what the objective allows, such
    as 1 % at a p99. In overload a fleet carries more than its certain capacity.

    \b
    Exit codes:
    0  there is a bill
    5  it is a rehearsal: the runs are of the stack `local`
    1  there is none
    """  # noqa: D301 - click keeps the lines below the character
    from shapebench.commands.planning.day import AskedDay, parse_autoscaling, parse_traffic, print_day  # noqa: PLC0415 - start-up
    from shapebench.commands.planning.plan import parse_terms  # noqa: PLC0415 - start-up

    with one_line_errors():
        curve = parse_traffic(traffic, peak, night, peak_at)
        terms = parse_terms(zones, headroom, clients)
        autoscaling = parse_autoscaling(start_up, pod_start_up, node_removal, min_nodes, zones)
        requested = asked_of(p90, p95, p99, p999, errors, None, None)
        code = print_day(results, requested, AskedDay(curve, terms, autoscaling), as_json=as_json or output == "json")
    raise typer.Exit(code)


def curve(
    over: Annotated[str, typer.Option(metavar="TIME", help="How long the day takes, such as 20min.")],
    traffic: TrafficFile = None,
    peak: Peak = None,
    night: Night = None,
    peak_at: PeakAt = "14:00",
    times: Annotated[
        float, typer.Option(**FLOAT, help="Multiplies the rates: a tenth of the fleet carries a tenth of them.")
    ] = 1.0,
) -> None:
    """Print the traffic of a day as the load of a stack, in a shorter time. A stack with an autoscaler replays it."""
    from shapebench.commands.planning.curve import print_curve  # noqa: PLC0415 - start-up
    from shapebench.commands.planning.day import parse_traffic, seconds_of  # noqa: PLC0415 - start-up

    with one_line_errors():
        print_curve(parse_traffic(traffic, peak, night, peak_at), seconds_of("--over", over), times)


def replay(  # noqa: PLR0913, PLR0917 - as many as the command has options
    run: Annotated[str, typer.Argument(metavar="RUN", help="As for `show`: a run along a curve, with an autoscaler.")],
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    pod_start_up: PodStartUp = None,
    results: Results = "results",
    output: TextFormat = "text",
    as_json: Json = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Print how many servers a replay of a day had and how much was late, beside the forecast of `day`."""
    from analysis.planning.day.start_up import AskedDelays  # noqa: PLC0415 - start-up
    from shapebench.commands.planning.day import seconds_of  # noqa: PLC0415 - start-up
    from shapebench.commands.planning.replay import print_replay  # noqa: PLC0415 - start-up

    with one_line_errors():
        requested = asked_of(p90, p95, p99, p999, errors, None, None)
        pod_start_s = None if pod_start_up is None else seconds_of("--pod-start-up", pod_start_up)
        delays = AskedDelays(pod_start_s=pod_start_s)
        print_replay(results, run, requested, delays, as_json=as_json or output == "json")


def manifests(  # noqa: PLR0913, PLR0917 - as many as the command has options
    model: Annotated[
        str,
        typer.Option(
            metavar="URI",
            help="The folder above the model's versions: in a bucket, such as gs://bucket/models/resnet, or in the"
            " server's image.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that does not exist yet.")] = Path("manifests"),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of all objects. (default: the model's name)")
    ] = None,
    namespace: Annotated[str, typer.Option(metavar="NAME", help="A namespace, which must exist.")] = "default",
    traffic: TrafficFile = None,
    peak: Peak = None,
    night: Night = None,
    peak_at: PeakAt = "14:00",
    p90: P90 = None,
    p95: P95 = None,
    p99: P99 = None,
    p999: P999 = None,
    errors: Errors = None,
    zones: Zones = 1,
    headroom: Headroom = "0%",
    clients: Clients = None,
    min_nodes: MinNodes = None,
    start_up: StartUp = None,
    pod_start_up: PodStartUp = None,
    node_removal: NodeRemoval = "10min",
    results: Results = "results",
) -> None:
    """Write Kubernetes manifests of the fleet that `day` finds the cheapest. Creates nothing and costs nothing.

    The pods are those that were measured, with a Service, a PodDisruptionBudget, and for an autoscaled fleet a
    HorizontalPodAutoscaler. On GKE a ComputeClass ranks the measured machine types by their bills.
    """
    from shapebench.commands.planning.day import AskedDay, parse_autoscaling, parse_traffic  # noqa: PLC0415 - start-up
    from shapebench.commands.planning.manifests import write_manifests  # noqa: PLC0415 - start-up
    from shapebench.commands.planning.plan import parse_terms  # noqa: PLC0415 - start-up
    from shapebench.production.choice import Place  # noqa: PLC0415 - start-up

    with one_line_errors():
        curve = parse_traffic(traffic, peak, night, peak_at)
        terms = parse_terms(zones, headroom, clients)
        autoscaling = parse_autoscaling(start_up, pod_start_up, node_removal, min_nodes, zones)
        requested = asked_of(p90, p95, p99, p999, errors, None, None)
        write_manifests(results, requested, AskedDay(curve, terms, autoscaling), Place(name, namespace, model), out)
