"""`shapebench day`: what a day of traffic costs with a fixed and with an autoscaled fleet of each variant."""

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.formatting import MISSING, count, counted, money, percent
from analysis.objective import Asked
from analysis.planning.day.costs import (
    LOWEST_TARGET_PERCENT,
    Autoscaling,
    Day,
    FleetDay,
    VariantDay,
    forecast_day,
    month_usd,
)
from analysis.planning.day.start_up import AskedDelays
from analysis.planning.day.traffic import Traffic, TrafficError, read_traffic, second_of_day, smooth_traffic
from analysis.planning.fleet.offers import Terms
from analysis.report.tables import Table
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from shapebench.commands.planning.plan import why_no_plan
from shapebench.output import REHEARSAL_EXIT_CODE, CommandError, note, print_json, print_table, print_text, progress
from shapebench.skipped import note_skipped, skipped_json
from stacks.load.objective import NUMBER

_DURATION = re.compile(NUMBER + r"\s*(?P<unit>s|min|h)")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_LONGEST_S = 6 * 3600
_MOST_NODES = 10_000


@dataclass(frozen=True)
class AskedDay:
    """What a day is forecast for."""

    traffic: Traffic
    terms: Terms
    autoscaling: Autoscaling


def read_day(uri: str, requested: Asked, requested_day: AskedDay, *, note_all: bool = True) -> Day:
    """Forecast the day with the runs of a store; raises CommandError where no variant has a bill.

    `note_all` prints what of the store was skipped, which is printed anyway where the day has no variant.
    """
    store = ResultsStore(uri)
    with progress() as say:
        day = forecast_day(
            store,
            read_verdict(store, requested),
            requested_day.traffic,
            requested_day.terms,
            requested_day.autoscaling,
            say,
        )
    if note_all or not day.variants:
        note_skipped(day.verdict.scan)
    if not day.variants:
        raise CommandError(why_no_plan(uri, day.verdict, day.excluded))
    return day


def print_day(uri: str, requested: Asked, requested_day: AskedDay, *, as_json: bool) -> int:
    day = read_day(uri, requested, requested_day, note_all=not as_json)
    if as_json:
        print_json(_json(day))
    else:
        _print_text(day)
        note_unused(day)
    return REHEARSAL_EXIT_CODE if day.verdict.is_rehearsal else 0


def note_unused(day: Day) -> None:
    """Write a line for each run that the day does not rest on to stderr."""
    for manifest, why in day.excluded:
        note(f"not used for the day: {manifest.run_id} of {manifest.stack}: {why}")


def parse_traffic(file: Path | None, peak: float | None, night: float | None, peak_at: str) -> Traffic:
    """The options as they were given; raises CommandError that names the option, or the line of the file."""
    if file is not None and (peak is not None or night is not None):
        raise CommandError("--traffic and --peak or --night describe two days; give the file, or the rates")
    try:
        if file is not None:
            return read_traffic(file)
        peak_at_s = second_of_day(peak_at)
    except TrafficError as error:
        raise CommandError(str(error)) from None
    except ValueError as error:
        raise CommandError(f"--peak-at {error}") from None
    if peak is None or night is None:
        raise CommandError(
            "the traffic of the day is not known; give --traffic day.csv, or both --peak 800 and --night 100"
        )
    if not 0 < peak < math.inf:
        raise CommandError(f"--peak is {peak:g}, which is no traffic; give requests per second above 0")
    if not 0 <= night <= peak:
        raise CommandError(f"--night is {night:g}, which is not a rate from 0 to --peak; give 0 to {peak:g}")
    return smooth_traffic(peak, night, peak_at_s)


def parse_autoscaling(
    start_up: str | None, pod_start_up: str | None, node_removal: str, min_nodes: int | None, zones: int
) -> Autoscaling:
    """The options as they were given; raises CommandError that names the option."""
    start_s, pod_start_s = _given_seconds("--start-up", start_up), _given_seconds("--pod-start-up", pod_start_up)
    if start_s is not None and pod_start_s is not None and pod_start_s > start_s:
        raise CommandError(
            f"--pod-start-up is {pod_start_up}, longer than --start-up ({start_up}), which includes it; give less"
        )
    fewest = zones if min_nodes is None else min_nodes
    if not 1 <= fewest <= _MOST_NODES:
        raise CommandError(f"--min-nodes is {fewest}, which no fleet has; give 1 to {_MOST_NODES}")
    return Autoscaling(AskedDelays(start_s, pod_start_s, seconds_of("--node-removal", node_removal)), fewest)


def _given_seconds(option: str, text: str | None) -> float | None:
    return None if text is None else seconds_of(option, text)


def seconds_of(option: str, text: str) -> float:
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match["number"]) * _SECONDS[match["unit"]] if match else math.inf
    if seconds > _LONGEST_S:
        raise CommandError(f"{option} is '{text}', which is not a duration up to 6h; give one such as 90s or 3min")
    return seconds


def _print_text(day: Day) -> None:
    best = day.variants[0]
    if day.verdict.is_rehearsal:
        print_text("A rehearsal on one machine, not a bill of a cluster: its server shared the cores with the load.")
    print_text(_headline(day) + "\n")
    numbers = ("nodes", "CPU target, %", "requests in overload, %", "USD/day", "USD/730 h")
    rows = [_row(variant, fleet) for variant in day.variants for fleet in variant.fleets]
    print_table(Table.of("Fleets", ("variant", "fleet"), numbers, rows), "Bill of the day")
    print_text("\n" + "\n".join(_findings(best, day)))


def _headline(day: Day) -> str:
    best, objective, traffic = day.variants[0], day.verdict.objective, day.traffic
    fleet = best.fleets[0]
    return (
        f"A day of {count(round(traffic.requests))} requests, {traffic.peak_rps:g} a second at its peak, at a"
        f" {objective.quantile_name} of {objective.latency_ms:g} ms: the cheapest is the {fleet.kind} fleet of"
        f" {nodes_text(fleet)} of {best.offer.shape.machine_type} ({best.offer.label}): {usd_text(best, fleet.usd)} USD"
        f" a day, {usd_text(best, month_usd(fleet))} USD a month of 730 h."
    )


def _row(variant: VariantDay, fleet: FleetDay) -> tuple[str, ...]:
    return (
        variant.offer.label,
        fleet.kind,
        _range(fleet),
        MISSING if fleet.target_percent is None else str(fleet.target_percent),
        percent(fleet.overloaded),
        usd_text(variant, fleet.usd),
        usd_text(variant, month_usd(fleet)),
    )


def _findings(best: VariantDay, day: Day) -> Iterator[str]:
    quantile, allowed = day.verdict.objective.quantile_name, _allowed(day)
    carried = "the low end of its measured interval"
    if day.terms.headroom or day.terms.zones > 1:
        carried += ", less what --headroom and --zones keep free"
    yield (
        "Requests in overload: the share of the day's requests that were due while the fleet carried more than its"
        f" certain capacity ({carried}). It is not the share of late answers: up to this capacity at most {allowed} %"
        f" are late at the {quantile}; above it, how many are late is not known."
    )
    if best.autoscaled is None:
        yield (
            f"No autoscaled fleet: with every CPU target from {LOWEST_TARGET_PERCENT} % on, more than {allowed} % of"
            " the requests are in overload, as nodes start too slowly for this traffic. A shorter --start-up or a"
            " higher --min-nodes helps."
        )
    else:
        yield from _autoscaler(best, best.autoscaled, day)
    if day.terms.zones > 1:
        yield "Not included: traffic between zones."


def _autoscaler(best: VariantDay, fleet: FleetDay, day: Day) -> Iterator[str]:
    vcpus = best.offer.shape.vcpus
    yield (
        f"Autoscaler: a HorizontalPodAutoscaler on CPU with one pod a node, averageUtilization {fleet.target_percent},"
        f" minReplicas {day.autoscaling.fewest} and maxReplicas {fleet.most} or more. The target is the highest one"
        f" with at most {_allowed(day)} % of the requests in overload."
    )
    if best.cpu_percent is None:
        yield (
            "The target is in percent of the CPU that a node uses at its certain capacity, which the run does not"
            " show: give the pod a CPU request of that much."
        )
    else:
        yield (
            f"The target is in percent of a CPU request of {vcpus:g} vCPUs, all of the node; for a smaller request it"
            f" is larger in proportion. At its certain capacity a node uses {best.cpu_percent:.0f} %."
        )
    delays, starts = best.start_up.delays, best.start_up.starts
    start_up = (
        f"a pod on a new node serves {_duration(delays.start_s)} after it is asked for, on an empty node"
        f" {_duration(delays.pod_start_s)}"
    )
    billed = f"an empty node is billed for {_duration(delays.removal_s)}"
    if starts:
        yield (
            f"Start-up, with pods from {counted(starts, 'measured start')} and new nodes as given or assumed:"
            f" {start_up}. Assumed: {billed}."
        )
    else:
        yield f"Assumed, not measured: {start_up}; {billed}."


def _allowed(day: Day) -> str:
    return f"{100 * day.allowed_share:.4g}"


def nodes_text(fleet: FleetDay) -> str:
    """Such as 2 to 5 nodes."""
    return f"{_range(fleet)} {'node' if fleet.most == 1 else 'nodes'}"


def _range(fleet: FleetDay) -> str:
    return count(fleet.most) if fleet.fewest == fleet.most else f"{count(fleet.fewest)} to {count(fleet.most)}"


def usd_text(variant: VariantDay, usd: float) -> str:
    """An amount of a variant of which something may have no price."""
    return money(usd) if variant.is_priced else f"at least {money(usd)}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.3g} s"


def _json(day: Day) -> dict[str, Any]:
    best, delays = day.variants[0], day.autoscaling.delays
    return {
        "headline": _headline(day),
        "traffic": {"requests": day.traffic.requests, "peak_rps": day.traffic.peak_rps},
        "asked": {**asdict(day.terms), **asdict(delays), "min_nodes": day.autoscaling.fewest},
        "objective": day.verdict.objective.model_dump(),
        "allowed_share": day.allowed_share,
        "rehearsal": day.verdict.is_rehearsal,
        "best": {"label": best.offer.label, "fleet": best.fleets[0].kind},
        "variants": [_variant_json(variant) for variant in day.variants],
        "excluded": [{"run_id": manifest.run_id, "reason": why} for manifest, why in day.excluded],
        **skipped_json(day.verdict.scan),
    }


def _variant_json(variant: VariantDay) -> dict[str, Any]:
    offer = variant.offer
    return {
        "label": offer.label,
        "run_ids": [manifest.run_id for manifest in offer.ranked.variant.manifests],
        "machine_type": offer.shape.machine_type,
        "node_rps": offer.sizing.node_rps,
        "start_up": variant.start_up.as_dict(),
        "cpu_percent_at_capacity": variant.cpu_percent,
        "is_priced": variant.is_priced,
        "fleets": [_fleet_json(fleet) for fleet in variant.fleets],
    }


def _fleet_json(fleet: FleetDay) -> dict[str, Any]:
    return {
        "fleet": fleet.kind,
        "nodes": {"fewest": fleet.fewest, "most": fleet.most},
        "target_percent": fleet.target_percent,
        "overloaded_share": fleet.overloaded,
        "usd_day": fleet.usd,
        "usd_730h": month_usd(fleet),
    }
