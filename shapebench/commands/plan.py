"""`shapebench plan`: how many nodes of which shape a load needs at a promised latency, and their monthly cost."""

import math
import re
from dataclasses import asdict
from typing import Any

from analysis.formatting import MISSING, count, money, number
from analysis.planning.model import Model
from analysis.planning.plan import Candidate, LostZone, Plan, Requirement, make_plan
from analysis.pricing import cost
from analysis.report.tables import Column, Table
from analysis.results.manifest import Cost
from analysis.results.store import ResultsStore
from shapebench.output import REHEARSAL_EXIT_CODE, CommandError, note, print_json, print_table, print_text, progress
from shapebench.skipped import note_skipped, skipped_json

_BASIS = {
    "measured": "measured by a capacity search",
    "modelled": "modelled from a closed loop (Little's law on its rows), less certain than a capacity search",
    "at least": "a lower bound: the load of the run was too low to reach the limit, so fewer nodes may suffice",
}
_MOST_ZONES = 10
_TIME = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|s)")
_SHARE = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*%")


def print_plan(uri: str, rps: float, p99: str, zones: int, headroom: str, *, as_json: bool) -> int:
    requirement = _requirement(rps, p99, zones, headroom)
    with progress() as say:
        plan = make_plan(ResultsStore(uri), requirement, say)
    if not as_json:
        note_skipped(plan.scan)
    if not plan.candidates:
        raise CommandError(_why_none(uri, plan))
    if as_json:
        print_json(_json(plan))
    else:
        _print_text(plan)
        for run_id, why in plan.excluded:
            note(f"not used for the plan: {run_id}: {why}")
    return REHEARSAL_EXIT_CODE if plan.is_rehearsal else 0


def _requirement(rps: float, p99: str, zones: int, headroom: str) -> Requirement:
    if not 0 < rps < math.inf:
        raise CommandError(f"--rps {rps:g} is not a load to plan for; give requests per second above 0")
    if not 1 <= zones <= _MOST_ZONES:
        raise CommandError(
            f"--zones {zones} is impossible, because a region has 1 to {_MOST_ZONES} zones; give a number in this range"
        )
    return Requirement(rps, parse_ms("--p99", p99), zones, parse_share("--headroom", headroom))


def _why_none(uri: str, plan: Plan) -> str:
    if not plan.excluded:
        return (
            f"there is no finished run in {uri}, so there is nothing to plan with; `pulumi up --stack local` makes one"
        )
    reasons = "; ".join(f"{run_id} {why}" for run_id, why in plan.excluded)
    return f"no run in {uri} allows a plan for a p99 of {plan.requirement.p99_ms:g} ms: {reasons}"


def _print_text(plan: Plan) -> None:
    best, requirement = plan.candidates[0], plan.requirement
    if plan.is_rehearsal:
        print_text("A rehearsal on one machine, not a plan for a cluster: its server shared the cores with the load.")
    print_text(_headline(best, requirement) + "\n")
    numbers = ("capacity per node, 1/s", "nodes", "range", "USD/month", "simulated p99, ms", "p99 with a zone lost")
    plans = Table.of("Plans", ("variant", "basis"), numbers, map(_row, plan.candidates))
    print_table(plans, dispensable=("basis", "p99 with a zone lost", "simulated p99, ms"))
    print()
    items = [(item.name, item.sku or item.reason or MISSING, *_usd(item.hourly)) for item in best.cost.line_items]
    sums = [(each.name, each.counts, *_usd(each.hourly)) for each in cost.sums(best.cost)]
    title = f"Monthly cost of {best.nodes} × {best.model.manifest.shape.machine_type}, {best.cost.region}"
    columns = (Column("item", "text"), Column("SKU", "wrap"), Column("USD/h"), Column("USD/730 h"))
    print_table(Table(title, columns, (*items, *sums)), title, dispensable=("USD/h",))
    print_text("\n" + "\n".join(_findings(best, requirement)))


def _headline(best: Candidate, requirement: Requirement) -> str:
    machine = best.model.manifest.shape.machine_type
    room = f" with {requirement.headroom:.0%} of headroom" if requirement.headroom else ""
    return (
        f"{requirement.rps:g} requests per second{room} at a p99 of {requirement.p99_ms:g} ms need"
        f" {_nodes(best.nodes)} of {machine} ({best.label}): {_month(best.cost)} USD/month."
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


def _findings(best: Candidate, requirement: Requirement) -> list[str]:
    found = [
        f"Capacity per node: {number(best.capacity.value_rps)} requests/s, {_BASIS[best.capacity.basis]}.",
        _range(best),
        f"Simulated p99 with these nodes: {_tail(best.p99_ms)} ms. {_agreement(best.model)}",
        _scaling(best.model),
    ]
    if best.lost_zone:
        found.append(_zone(best.lost_zone, requirement))
    if requirement.zones > 1:
        found.append("Not included: traffic between zones.")
    return found


def _range(best: Candidate) -> str:
    if best.fewest is None:
        return f"Range: {_nodes(best.nodes)} or fewer; a run at higher load would show how many fewer."
    if best.fewest == best.nodes:
        return "Range: the uncertainty of the measurement does not change the number of nodes."
    low = cost.at_least(best.cost) * cost.HOURS_A_MONTH * (best.fewest / best.nodes)
    return (
        f"Range: {count(best.fewest)} nodes (about {money(low)} USD/month) at the upper end of the capacity's interval,"
        f" {count(best.nodes)} at its lower end, which the plan uses."
    )


def _agreement(model: Model) -> str:
    if (agreement := model.agreement) is None:
        return "No level of load was steady enough to check the simulation against."
    stretched = (
        ""
        if agreement.underestimate == 1
        else f"; simulated tails are stretched by {agreement.underestimate - 1:.0%} to correct for it"
    )
    return (
        f"Check against {agreement.level}: simulated {number(agreement.simulated_p99_ms)} ms, measured"
        f" {number(agreement.measured_p99_ms)} ms{stretched}."
    )


def _scaling(model: Model) -> str:
    law = model.scaling
    what = (
        f"{law.threads} in parallel, other requests wait"
        if law.threads is not None
        else f"requests share the cores: contention {law.contention:.3f}, coherency {law.coherency:.4f}"
    )
    return (
        f"Scaling of a replica: {law.alone_ms:.1f} ms without load, {what}; throughput error {law.error:.1%} (root mean"
        f" square over {law.points} levels of load)."
    )


def _zone(lost: LostZone, requirement: Requirement) -> str:
    fails = (
        f"Loss of a zone: {_nodes(lost.nodes_lost)} fail. Until Kubernetes notices (about 50 s by default),"
        f" {lost.error_ratio_until_noticed:.0%} of the requests fail; after that the p99 is {_tail(lost.p99_ms)} ms"
    )
    if lost.holds:
        return f"{fails}: the promised p99 is kept."
    return (
        f"{fails}: the promised {requirement.p99_ms:g} ms is not kept. {count(lost.nodes_to_hold)} nodes would keep it,"
        f" for {_month(lost.cost_to_hold)} USD/month."
    )


def _nodes(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{count(nodes)} nodes"


def _tail(p99_ms: float) -> str:
    return "unbounded" if math.isinf(p99_ms) else number(p99_ms)


def _month(priced: Cost) -> str:
    amount = money(cost.at_least(priced) * cost.HOURS_A_MONTH)
    return f"at least {amount}" if priced.hourly is None else amount


def _usd(hourly: float | None) -> tuple[str, str]:
    return number(hourly), money(cost.times(hourly, cost.HOURS_A_MONTH))


def _json(plan: Plan) -> dict[str, Any]:
    return {
        "asked": asdict(plan.requirement),
        "rehearsal": plan.is_rehearsal,
        "best": plan.candidates[0].label,
        "candidates": [_candidate_json(each) for each in plan.candidates],
        "excluded": [{"run_id": run_id, "reason": why} for run_id, why in plan.excluded],
        **skipped_json(plan.scan),
    }


def _candidate_json(each: Candidate) -> dict[str, Any]:
    agreement, capacity, lost = each.model.agreement, each.capacity, each.lost_zone
    points = [
        {"in_system": point.in_system, "rps": point.rps, "latency_ms": point.latency_ms} for point in each.model.points
    ]
    return {
        "label": each.label,
        "run_ids": list(each.run_ids),
        "shape": each.model.manifest.shape.model_copy(update={"nodes": each.nodes}).model_dump(),
        "nodes": {"planned": each.nodes, "fewest": each.fewest},
        "node_capacity": {
            "basis": capacity.basis,
            "rps": {"value": capacity.value_rps, "low": capacity.low_rps, "high": capacity.high_rps},
        },
        "p99_ms": _finite(each.p99_ms),
        "scaling": asdict(each.model.scaling) | {"points": points},
        "simulation_against_run": agreement and asdict(agreement),
        "cost": each.cost.model_dump(),
        "monthly": cost.times(each.cost.hourly, cost.HOURS_A_MONTH),
        "lost_zone": lost
        and {
            "nodes_lost": lost.nodes_lost,
            "error_ratio_until_noticed": lost.error_ratio_until_noticed,
            "p99_ms": _finite(lost.p99_ms),
            "holds": lost.holds,
            "nodes_to_hold": lost.nodes_to_hold,
            "monthly_to_hold": cost.times(lost.cost_to_hold.hourly, cost.HOURS_A_MONTH),
        },
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def parse_ms(option: str, text: str) -> float:
    """A time above zero, in milliseconds; raises CommandError that names the option."""
    match = _TIME.fullmatch(text.strip())
    if match is None or float(match["amount"]) == 0:
        raise CommandError(f"{option} {text} is not a time above zero with a unit; give one such as 300ms or 1.5s")
    return float(match["amount"]) * (1000 if match["unit"] == "s" else 1)


def parse_share(option: str, text: str) -> float:
    """A percentage, as a share; raises CommandError that names the option."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"{option} {text} is not a percentage; give one such as 30%")
    return float(match["amount"]) / 100
