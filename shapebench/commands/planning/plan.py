"""`shapebench plan`: how many nodes of which shape a load needs at an objective, and the bill by load."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analysis.formatting import MISSING, count, counted, money, number
from analysis.objective import Asked
from analysis.planning.fleet.bills import Bill, Cheapest, cheapest
from analysis.planning.fleet.offers import Terms
from analysis.planning.fleet.plan import MULTIPLES, Plan, PlannedFleet, Requirement, make_plan
from analysis.planning.fleet.sizing import NoFleetError
from analysis.pricing import cost
from analysis.report.tables import Column, Table
from analysis.results.schema.manifest import Cost, Manifest
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import Verdict, read_verdict
from shapebench.output import REHEARSAL_EXIT_CODE, CommandError, note, print_json, print_table, print_text, progress
from shapebench.skipped import no_finished_run, note_skipped, skipped_json

_MOST_ZONES = 10
_SHARE = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*%")


def print_plan(uri: str, requested: Asked, requirement: Requirement, *, as_json: bool) -> int:
    store = ResultsStore(uri)
    with progress() as say:
        plan = make_plan(store, read_verdict(store, requested), requirement, say)
    if not (as_json and plan.candidates):
        note_skipped(plan.verdict.scan)
    if not plan.candidates:
        raise CommandError(why_no_plan(uri, plan.verdict, plan.excluded))
    if as_json:
        print_json(_json(plan))
    else:
        _print_text(plan)
        for manifest, why in plan.excluded:
            note(f"not used for the plan: {manifest.run_id} of {manifest.stack}: {why}")
    return REHEARSAL_EXIT_CODE if plan.verdict.is_rehearsal else 0


def parse_requirement(rps: float, zones: int, headroom: str, clients: int | None) -> Requirement:
    """The options as they were given; raises CommandError that names the option."""
    if not 0 < rps < math.inf:
        raise CommandError(f"--rps is {rps:g}, which no plan is made for; give requests per second above 0")
    return Requirement(rps, parse_terms(zones, headroom, clients))


def parse_terms(zones: int, headroom: str, clients: int | None) -> Terms:
    """The options as they were given; raises CommandError that names the option."""
    if not 1 <= zones <= _MOST_ZONES:
        raise CommandError(f"--zones is {zones}, which no plan is made for; give 1 to {_MOST_ZONES}")
    if clients is not None and clients < 1:
        raise CommandError(
            f"--clients is {clients}, so nobody sends; give 1 or more, or leave it out for very many clients"
        )
    return Terms(parse_share("--headroom", headroom), zones, clients)


def parse_share(option: str, text: str) -> float:
    """A percentage, as a share; raises CommandError that names the option."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"{option} is '{text}', which is not a percentage; give one such as 30%")
    return float(match["amount"]) / 100


def why_no_plan(uri: str, verdict: Verdict, excluded: Sequence[tuple[Manifest, str]]) -> str:
    """Why no variant of the store can be planned, and what to do."""
    if not excluded:
        return no_finished_run(uri)
    reasons = "; ".join(f"{manifest.run_id}: {why}" for manifest, why in excluded)
    objective = verdict.objective
    if objective.latency_ms is None:
        return f"no run in {uri} searched for a capacity, so no latency limit is known; give one, such as --p99 400ms"
    return (
        f"no variant in {uri} can be planned at a {objective.quantile_name} within {objective.latency_ms:g} ms:"
        f" {reasons}; if runs are missing, `shapebench verdict {objective.options} --results {uri}` prints what to run"
    )


def _print_text(plan: Plan) -> None:
    best = plan.candidates[0]
    if plan.verdict.is_rehearsal:
        print_text("A rehearsal on one machine, not a plan for a cluster: its server shared the cores with the load.")
    print_text(_headline(plan) + "\n")
    numbers = ("capacity per node, 1/s", "nodes", "range", "USD/month")
    print_table(Table.of("Plans", ("variant",), numbers, map(_row, plan.candidates)))
    print()
    print_table(_bills_table(plan), "Monthly bill by load, USD (nodes)")
    print_text("\n" + _cheapest_sentence(plan) + "\n")
    items = [(item.name, item.sku or item.reason or MISSING, *_usd(item.hourly)) for item in best.cost.line_items]
    sums = [(total.name, total.counts, *_usd(total.hourly)) for total in cost.sums(best.cost)]
    title = f"Monthly cost of {best.nodes} × {best.offer.shape.machine_type}, {best.cost.region}"
    columns = (Column("item", "text"), Column("SKU", "wrap"), Column("USD/h"), Column("USD/730 h"))
    print_table(Table(title, columns, (*items, *sums)), title, dispensable=("USD/h",))
    print_text("\n" + "\n".join(_findings(best, plan.requirement)))


def _headline(plan: Plan) -> str:
    best, terms, objective = plan.candidates[0], plan.requirement.terms, plan.verdict.objective
    room = f" with {terms.headroom:.0%} of headroom" if terms.headroom else ""
    zones = f" in {terms.zones} zones, so that one zone may be lost" if terms.zones > 1 else ""
    return (
        f"{plan.requirement.rps:g} requests per second{room} at a {objective.quantile_name} of"
        f" {objective.latency_ms:g} ms need {_nodes(best.nodes)} of {best.offer.shape.machine_type}"
        f" ({best.offer.label}){zones}: {_month(best.cost)} USD/month."
    )


def _row(fleet: PlannedFleet) -> tuple[str, ...]:
    capacity, nodes = fleet.offer.ranked.capacity.rps, fleet.offer.shape.nodes
    high = number(capacity.high / nodes) if math.isfinite(capacity.high) else MISSING
    return (
        fleet.offer.label,
        f"{number(capacity.low / nodes)} to {high}",
        count(fleet.nodes),
        f"{MISSING if fleet.fewest is None else count(fleet.fewest)} to {count(fleet.nodes)}",
        _month(fleet.cost),
    )


def _bills_table(plan: Plan) -> Table:
    """A row for each load and a column for each variant; the smallest bill of a row is marked."""
    rows = []
    for rps in (multiple * plan.requirement.rps for multiple in MULTIPLES):
        bills = [_bill(candidate, rps) for candidate in plan.candidates]
        least = min((bill.usd_730h for bill in bills if bill), default=0.0)
        rows.append((f"{rps:g}", *(_bill_cell(bill, least) for bill in bills)))
    labels = [candidate.offer.label for candidate in plan.candidates]
    return Table.of("Monthly bill by load", (), ("requests/s", *labels), rows)


def _bill(fleet: PlannedFleet, rps: float) -> Bill | None:
    try:
        return fleet.offer.bill(rps)
    except NoFleetError:
        return None


def _bill_cell(bill: Bill | None, least: float) -> str:
    if bill is None:
        return MISSING
    return f"{'* ' if bill.usd_730h == least else ''}{money(bill.usd_730h)} ({count(bill.nodes)})"


def _changes(plan: Plan) -> tuple[Cheapest, ...]:
    return cheapest([candidate.offer for candidate in plan.candidates], MULTIPLES[-1] * plan.requirement.rps)


def _cheapest_sentence(plan: Plan) -> str:
    """Where the cheapest variant changes for the last time; below that it may change with every node."""
    changes, most = _changes(plan), MULTIPLES[-1] * plan.requirement.rps
    last = changes[-1]
    if len(changes) == 1:
        return f"* The cheapest at every load up to {most:g} requests/s: {last.labels}."
    before = (
        changes[-2].labels
        if len(changes) == 2
        else f"the cheapest changes {counted(len(changes) - 2, 'time')} as nodes are added"
    )
    return f"* The cheapest from {number(last.from_rps)} to {most:g} requests/s: {last.labels}; below that {before}."


def _findings(best: PlannedFleet, requirement: Requirement) -> list[str]:
    found = [_range(best), _clients(best, requirement.terms.clients)]
    if best.lost_nodes:
        found.append(_zone(best.lost_nodes, best.nodes))
    if requirement.terms.zones > 1:
        found.append("Not included: traffic between zones.")
    return found


def _range(best: PlannedFleet) -> str:
    if best.fewest is None:
        return f"Range: {_nodes(best.nodes)} or fewer; a capacity search shows how many fewer."
    if best.fewest == best.nodes:
        return "Range: the uncertainty of the measurement does not change the number of nodes."
    return (
        f"Range: {_nodes(best.fewest)} ({_month(best.offer.cost(best.fewest))} USD/month) at the upper end of the"
        f" capacity's interval, {count(best.nodes)} at its lower end, which the plan uses."
    )


def _clients(best: PlannedFleet, clients: int | None) -> str:
    in_turn = best.offer.ranked.variant.newest.serving.sent_over.over_grpc
    sent = "each in turn to all nodes" if in_turn else "each over connections that stay with their node"
    who = (
        "Clients: so many that each request goes to any node at random; --clients plans for a certain number"
        if clients is None
        else f"Clients: {count(clients)}, {sent}"
    )
    if (effect := best.offer.effect) is None:
        return f"{who}."
    law = effect.model.law
    return (
        f"{who}. By simulation a node carries {best.relative:.0%} of what it carried in its run, where requests were"
        f" spread otherwise. A simulated replica takes {law.alone_ms:.1f} ms for a request without others, and serves"
        f" at most {law.at_once} at once, with a contention of {law.contention:.2f}. Each level of load of the run is"
        f" predicted from the others with an error of {effect.model.error:.1%}."
    )


def _zone(lost: int, nodes: int) -> str:
    fail = "fails" if lost == 1 else "fail"
    return (
        f"Loss of a zone: {_nodes(lost)} {fail}. Until Kubernetes notices (about 50 s by default),"
        f" {lost / nodes:.0%} of the requests fail; then the remaining nodes meet the objective."
    )


def _nodes(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{count(nodes)} nodes"


def _month(priced: Cost) -> str:
    amount = money(cost.at_least(priced) * cost.HOURS_A_MONTH)
    return f"at least {amount}" if priced.hourly is None else amount


def _usd(hourly: float | None) -> tuple[str, str]:
    return number(hourly), money(cost.times(hourly, cost.HOURS_A_MONTH))


def _json(plan: Plan) -> dict[str, Any]:
    terms = plan.requirement.terms
    return {
        "headline": _headline(plan),
        "asked": {"rps": plan.requirement.rps, **asdict(terms)},
        "objective": plan.verdict.objective.model_dump(),
        "rehearsal": plan.verdict.is_rehearsal,
        "best": plan.candidates[0].offer.label,
        "candidates": [_candidate_json(candidate, plan.requirement.rps) for candidate in plan.candidates],
        "cheapest": [asdict(change) for change in _changes(plan)],
        "excluded": [{"run_id": manifest.run_id, "reason": why} for manifest, why in plan.excluded],
        **skipped_json(plan.verdict.scan),
    }


def _candidate_json(fleet: PlannedFleet, rps: float) -> dict[str, Any]:
    offer, effect = fleet.offer, fleet.offer.effect
    bills = [bill for multiple in MULTIPLES if (bill := _bill(fleet, multiple * rps))]
    return {
        "label": offer.label,
        "run_ids": [manifest.run_id for manifest in offer.ranked.variant.manifests],
        "shape": offer.shape.model_copy(update={"nodes": fleet.nodes}).model_dump(),
        "nodes": {"planned": fleet.nodes, "fewest": fleet.fewest},
        "capacity_rps": offer.ranked.capacity.rps.to_dict(),
        "measured_nodes": offer.shape.nodes,
        "clients": effect
        and {
            "relative_capacity": fleet.relative,
            "law": asdict(effect.model.law),
            "begun_among": effect.model.service.begun_among,
            "error": effect.model.error,
        },
        "cost": fleet.cost.model_dump(),
        "monthly": cost.times(fleet.cost.hourly, cost.HOURS_A_MONTH),
        "bills": [asdict(bill) for bill in bills],
        "lost_zone": fleet.lost_nodes
        and {"nodes_lost": fleet.lost_nodes, "error_ratio_until_noticed": fleet.lost_nodes / fleet.nodes},
    }
