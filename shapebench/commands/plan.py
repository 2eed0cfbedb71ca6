"""`shapebench plan`: how many nodes of which shape a load takes at a promised latency, and what they cost a month."""

import math
import re
from typing import Any

from analysis.formatting import MISSING, count, money, number
from analysis.planning.capacity import NodeCapacity
from analysis.planning.model import Model
from analysis.planning.plan import Candidate, LostZone, Plan, Requirement, make_plan
from analysis.pricing import cost
from analysis.results.manifest import Cost
from analysis.results.store import ResultsStore
from shapebench.output import CommandError, note, print_json, print_table

_BASIS = {
    "measured": "measured by a capacity search",
    "modelled": "modelled from a closed loop (Little's law on its rows), which is weaker than a capacity search",
    "at least": "at least that much: the run was not loaded enough to show its limit, so fewer nodes may do",
}
_MOST_ZONES = 10
_TIME = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|s)")
_SHARE = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*%")


def print_plan(uri: str, rps: float, p99: str, zones: int, headroom: str, *, as_json: bool) -> None:
    """Plan with the runs of a store and print the cheapest fleet, the others beside it; raises CommandError."""
    asked = _asked(rps, p99, zones, headroom)
    made = make_plan(ResultsStore(uri), asked, note)
    if not made.candidates:
        raise CommandError(_why_none(uri, made))
    if as_json:
        print_json(_json(made))
    else:
        _print_text(made)
        for run_id, why in made.excluded:
            note(f"not planned with: {run_id}: {why}")


def _asked(rps: float, p99: str, zones: int, headroom: str) -> Requirement:
    if not 0 < rps < math.inf:
        raise CommandError(f"--rps {rps:g} is no load to plan for; give requests a second above 0")
    if not 1 <= zones <= _MOST_ZONES:
        raise CommandError(f"--zones {zones} is no number of zones that a region has; give 1 to {_MOST_ZONES}")
    return Requirement(rps, parse_ms("--p99", p99), zones, parse_share("--headroom", headroom))


def _why_none(uri: str, made: Plan) -> str:
    if not made.excluded:
        return f"there is no finished run in {uri}, so nothing can be planned; `pulumi up --stack local` makes one"
    reasons = "; ".join(f"{run_id} {why}" for run_id, why in made.excluded)
    return f"no run in {uri} allows a plan for a p99 of {made.requirement.p99_ms:g} ms: {reasons}"


def _print_text(made: Plan) -> None:
    best, asked = made.candidates[0], made.requirement
    print(_headline(best, asked) + "\n")
    print_table(
        ("variant", "basis", "a node bears, 1/s", "nodes", "range", "USD/month", "p99 simulated, ms", "zone lost"),
        [_row(each) for each in made.candidates],
        words=2,
    )
    print()
    items = [(item.name, item.sku or item.reason or MISSING, *_amounts(item.hourly)) for item in best.cost.line_items]
    sums = [(each.name, each.counts, *_amounts(each.hourly)) for each in cost.sums(best.cost)]
    title = f"A month of {best.nodes} × {best.model.manifest.shape.machine_type}, {best.cost.region}"
    print_table(("item", "what it is", "USD/h", "USD/730 h"), [*items, *sums], words=2, title=title)
    print("\n" + "\n".join(_findings(best, asked)))


def _headline(best: Candidate, asked: Requirement) -> str:
    machine = best.model.manifest.shape.machine_type
    room = f" with {asked.headroom:.0%} of headroom" if asked.headroom else ""
    return (
        f"{asked.rps:g} requests a second{room} at a p99 of {asked.p99_ms:g} ms take {_nodes(best.nodes)} of {machine}"
        f" ({best.label}): {_month(best.cost)} USD a month."
    )


def _row(each: Candidate) -> tuple[str, ...]:
    lost = each.lost_zone
    return (
        each.label,
        each.capacity.basis,
        f"{number(each.capacity.low_rps)} to {number(each.capacity.high_rps)}",
        count(each.nodes),
        f"{MISSING if each.fewest is None else count(each.fewest)} to {count(each.nodes)}",
        _month(each.cost),
        _tail(each.p99_ms),
        MISSING if lost is None else _tail(lost.p99_ms) + " ms",
    )


def _findings(best: Candidate, asked: Requirement) -> list[str]:
    found = [
        f"What a node bears: {number(best.capacity.value_rps)} requests a second, {_BASIS[best.capacity.basis]}.",
        _range(best),
        f"Simulated at that size: a p99 of {_tail(best.p99_ms)} ms. {_agreement(best.model)}",
        _scaling(best.model),
    ]
    if best.lost_zone:
        found.append(_zone(best.lost_zone, asked))
    if asked.zones > 1:
        found.append("Not in the bill: traffic between zones.")
    return found


def _range(best: Candidate) -> str:
    if best.fewest is None:
        return f"Range: {_nodes(best.nodes)} or fewer; how many fewer, a run at higher load would say."
    if best.fewest == best.nodes:
        return "Range: the uncertainty of the measurement does not change the number of nodes."
    fewest = best.cost.model_copy()
    scale = best.fewest / best.nodes
    low = cost.at_least(fewest) * cost.HOURS_A_MONTH * scale
    return (
        f"Range: {count(best.fewest)} nodes (about {money(low)} USD a month) if a node bears what it may at best,"
        f" {count(best.nodes)} if only what it bears for certain; the plan takes those."
    )


def _agreement(model: Model) -> str:
    if (agreement := model.agreement) is None:
        return "No level of the run was steady enough to compare the simulation with."
    stretched = (
        "" if agreement.underestimate == 1 else f"; tails are stretched by {agreement.underestimate - 1:.0%} for that"
    )
    return (
        f"Of {agreement.level} it gives {number(agreement.simulated_p99_ms)} ms, measured were"
        f" {number(agreement.measured_p99_ms)} ms{stretched}."
    )


def _scaling(model: Model) -> str:
    law = model.scaling
    what = (
        f"{law.threads} threads, the others wait"
        if law.threads is not None
        else f"requests share cores: contention {law.contention:.3f}, coherency {law.coherency:.4f}"
    )
    return (
        f"How a replica scales: {law.alone_ms:.1f} ms alone, {what}; throughput of {law.points} levels of load is met"
        f" to {law.error:.1%} (root mean square)."
    )


def _zone(lost: LostZone, asked: Requirement) -> str:
    fails = (
        f"A lost zone takes {_nodes(lost.nodes_lost)}; until that is noticed (about 50 s with Kubernetes' defaults)"
        f" {lost.error_ratio_until_noticed:.0%} of the requests fail, then the p99 is {_tail(lost.p99_ms)} ms"
    )
    if lost.holds:
        return f"{fails}: the promise holds."
    return (
        f"{fails}: the promise of {asked.p99_ms:g} ms breaks. {count(lost.nodes_to_hold)} nodes would keep it,"
        f" for {_month(lost.cost_to_hold)} USD a month."
    )


def _nodes(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{count(nodes)} nodes"


def _tail(p99_ms: float) -> str:
    return "ever growing" if math.isinf(p99_ms) else number(p99_ms)


def _month(priced: Cost) -> str:
    amount = money(cost.at_least(priced) * cost.HOURS_A_MONTH)
    return f"at least {amount}" if priced.hourly is None else amount


def _amounts(hourly: float | None) -> tuple[str, str]:
    return number(hourly), money(None if hourly is None else hourly * cost.HOURS_A_MONTH)


def _json(made: Plan) -> dict[str, Any]:
    asked = made.requirement
    return {
        "asked": {"rps": asked.rps, "p99_ms": asked.p99_ms, "zones": asked.zones, "headroom": asked.headroom},
        "best": made.candidates[0].label,
        "candidates": [_candidate_json(each) for each in made.candidates],
        "excluded": [{"run_id": run_id, "reason": why} for run_id, why in made.excluded],
    }


def _candidate_json(each: Candidate) -> dict[str, Any]:
    law, agreement = each.model.scaling, each.model.agreement
    return {
        "label": each.label,
        "run_ids": list(each.run_ids),
        "shape": each.model.manifest.shape.model_copy(update={"nodes": each.nodes}).model_dump(),
        "nodes": {"planned": each.nodes, "fewest": each.fewest},
        "node_capacity": _capacity_json(each.capacity),
        "p99_ms": _finite(each.p99_ms),
        "scaling": {
            "law": law.law,
            "alone_ms": law.alone_ms,
            "contention": law.contention,
            "coherency": law.coherency,
            "threads": law.threads,
            "error": law.error,
            "points": [
                {"in_system": point.in_system, "rps": point.rps, "latency_ms": point.latency_ms}
                for point in each.model.points
            ],
        },
        "simulation_against_run": agreement
        and {
            "level": agreement.level,
            "measured_p99_ms": agreement.measured_p99_ms,
            "simulated_p99_ms": agreement.simulated_p99_ms,
        },
        "cost": each.cost.model_dump(),
        "monthly": None if each.cost.hourly is None else each.cost.hourly * cost.HOURS_A_MONTH,
        "lost_zone": each.lost_zone and _zone_json(each.lost_zone),
    }


def _capacity_json(capacity: NodeCapacity) -> dict[str, Any]:
    return {
        "basis": capacity.basis,
        "rps": {"value": capacity.value_rps, "low": capacity.low_rps, "high": capacity.high_rps},
    }


def _zone_json(lost: LostZone) -> dict[str, Any]:
    hourly = lost.cost_to_hold.hourly
    return {
        "nodes_lost": lost.nodes_lost,
        "error_ratio_until_noticed": lost.error_ratio_until_noticed,
        "p99_ms": _finite(lost.p99_ms),
        "holds": lost.holds,
        "nodes_to_hold": lost.nodes_to_hold,
        "monthly_to_hold": None if hourly is None else hourly * cost.HOURS_A_MONTH,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def parse_ms(option: str, text: str) -> float:
    """A time above zero, in milliseconds; raises CommandError that names the option."""
    match = _TIME.fullmatch(text.strip())
    if match is None or float(match["amount"]) == 0:
        raise CommandError(f"{option} {text} is no time above zero with its unit; give one such as 300ms or 1.5s")
    return float(match["amount"]) * (1000 if match["unit"] == "s" else 1)


def parse_share(option: str, text: str) -> float:
    """A percentage, as a share; raises CommandError that names the option."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"{option} {text} is no percentage; give one such as 30%")
    return float(match["amount"]) / 100
