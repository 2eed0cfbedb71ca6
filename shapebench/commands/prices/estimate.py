"""`shapebench estimate`: what machine types may cost, before any is measured, from public benchmarks and prices."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.estimate.benchmarks import FLOAT, newest_benchmarks
from analysis.estimate.ranking import Candidate, Capacity, Estimated, StoredCapacities, rank
from analysis.estimate.speeds import Speeds, newest_speeds
from analysis.formatting import MISSING, money, number, predictions_text
from analysis.objective import Asked
from analysis.pricing import cost
from analysis.report.tables import Table
from analysis.results.storage.store import ResultsStore, Scan
from loadtest.run.remote_model import is_uri
from loadtest.run.saved_model import files_of, version_folder
from shapebench.commands.prices.price import note_sources
from shapebench.commands.prices.shapes import Offer, Offers
from shapebench.options import default_store
from shapebench.output import CommandError, note, print_json, print_table, print_text
from shapebench.skipped import excluded_json, note_excluded, note_skipped, skipped_json
from stacks.server.models import RESNET50, Model
from tools.pins import ROOT

_DISPENSABLE = ("cores", "vCPUs", "CPU", "speed known from", "all, USD/24 h")


@dataclass(frozen=True)
class Estimate:
    """The ranking, and what it is from. `offers` are by the name of their shape.

    Machine types that are not in it have no price (`unpriced`), or a CPU without results (`unknown`).
    """

    model: Model
    ranking: tuple[Estimated, ...]
    offers: dict[str, Offer]
    unpriced: tuple[str, ...]
    unknown: tuple[str, ...]
    stored: StoredCapacities
    scan: Scan
    speeds: Speeds


def print_estimate(
    model: Model, offers: Offers, requested: Asked, results: str, *, every_shape: bool, as_json: bool
) -> None:
    """Print the cheapest shape of each series, or every shape; raises StoreError and ObjectiveError."""
    estimate = _estimate(model, offers, requested, results)
    if as_json:
        print_json(_json(estimate))
        return
    _print(estimate, results, every_shape=every_shape)
    offers.note_left_out()
    note_sources([offer.on_demand for offer in offers.found])
    note_excluded(estimate.stored.excluded, "not used")
    note_skipped(estimate.scan)
    note("`shapebench sweep` measures; shapebench init NAME --machine TYPE --nodes N makes a stack of one of these.")


def model_of(path: str | None) -> Model:
    """ResNet50, or the files of a SavedModel; raises SettingsError where there is none."""
    if path is None:
        return RESNET50
    base = ROOT if is_uri(path) else Path.cwd()
    if not is_uri(path):
        version_folder(path, base, "--model")  # whose error names the option
    return files_of(path, base)


def _estimate(model: Model, offers: Offers, requested: Asked, results: str) -> Estimate:
    speeds = newest_speeds()
    store = ResultsStore(results)
    scan = _scan(store)
    stored = _stored(store, scan, model, requested, speeds)
    candidates, unpriced, unknown = [], [], []
    for offer in offers.found:
        speed = speeds.of_series(offer.shape.series)
        if offer.on_demand.hourly is None:
            unpriced.append(offer.shape.machine_type)
        elif speed is None:
            unknown.append(offer.shape.machine_type)
        else:
            candidates.append(Candidate(offer.shape, offer.on_demand.hourly, speed))
    if not candidates:
        raise CommandError(
            "of the machine types near this size none has a price and a CPU with public results, so nothing can be"
            f" estimated: {', '.join((*unpriced, *unknown))}; give another --near or --region"
        )
    ranking = rank(candidates, speeds.fit.scatter, stored.capacities)
    by_name = {offer.shape.name: offer for offer in offers.found}
    return Estimate(model, ranking, by_name, tuple(unpriced), tuple(unknown), stored, scan, speeds)


def _scan(store: ResultsStore) -> Scan:
    """Before the first run there is no store, which is an error only if one was named."""
    return Scan((), (), ()) if store.uri == default_store() and not Path(store.uri).exists() else store.scan()


def _stored(store: ResultsStore, scan: Scan, model: Model, requested: Asked, speeds: Speeds) -> StoredCapacities:
    """The capacities of this model's runs in clusters: one on this machine says nothing of a machine type."""
    runs = [run for run in scan.manifests if run.platform != "local" and run.serving.model.name == model.name]
    if not runs:
        return StoredCapacities()
    # The verdict takes half a second to import.
    from analysis.estimate.measured import read_capacities  # noqa: PLC0415 - start-up

    return read_capacities(store, runs, requested, speeds)


def _print(estimate: Estimate, results: str, *, every_shape: bool) -> None:
    print_text(f"An estimate, not a verdict. {_scale(estimate, results)}\n")
    shown = estimate.ranking if every_shape else tuple(_cheapest_of_each_series(estimate.ranking))
    figures = (
        ("requests/s", "USD/million", "USD/million on Spot") if estimate.stored.capacities else ("cost", "cost on Spot")
    )
    rows = [_row(estimated, estimate.offers[estimated.candidate.shape.name]) for estimated in shown]
    texts, numbers = ("shape", "CPU", "speed known from"), ("vCPUs", "cores", "all, USD/24 h", *figures)
    print_table(Table.of("Estimated cost of a prediction", texts, numbers, rows), dispensable=_DISPENSABLE)
    note("")
    if left := len(estimate.ranking) - len(shown):
        note(f"{left} dearer shapes of the same series are left out; --all or --json has them.")
    note(_errors(estimate))
    for why, machine_types in (
        ("no price is known", estimate.unpriced),
        ("no result of its CPU is known", estimate.unknown),
    ):
        if machine_types:
            note(f"Left out, because {why}: {', '.join(machine_types)}.")
    if (instances := {capacity.instances for capacity in estimate.stored.capacities}) - {1}:
        note(f"{predictions_text(max(instances))}.")


def _cheapest_of_each_series(ranking: Iterable[Estimated]) -> Iterator[Estimated]:
    found = set[str]()
    for estimated in ranking:
        if estimated.candidate.speed.series not in found:
            found.add(estimated.candidate.speed.series)
            yield estimated


def _scale(estimate: Estimate, results: str) -> str:
    """What the figures are scaled from."""
    title, objective = estimate.model.title, estimate.stored.objective
    at = f" with {objective.text}" if objective and objective.latency_ms is not None else ""
    if not estimate.stored.capacities:
        return (
            f"There is no capacity of {title}{at} on any machine type in {results}, so costs are multiples of the"
            " lowest, and no latency limit counts."
        )
    shapes = (capacity.candidate.shape for capacity in estimate.stored.capacities)
    names = ", ".join(f"{shape.nodes} × {shape.machine_type}" for shape in shapes)
    return f"Scaled from the capacity of {title}{at} that was measured on {names}."


def _row(estimated: Estimated, offer: Offer) -> tuple[str, ...]:
    shape = estimated.candidate.shape
    figures: tuple[str, ...]
    if estimated.scaled:
        usd = estimated.scaled.usd_per_million
        figures = (estimated.scaled.rps.text(number), usd.text(money), money(_on_spot(usd.value, offer)))
    else:
        relative = estimated.relative_cost
        figures = (relative.text(_multiple), _multiple(_on_spot(relative.value, offer)))
    return (
        f"{shape.nodes} × {shape.machine_type}",
        " or ".join(shape.series.cpus),
        estimated.candidate.speed.basis.value,
        str(shape.nodes * shape.vcpus),
        str(shape.nodes * shape.cores),
        money(cost.times(offer.on_demand.hourly, cost.HOURS_A_DAY)),
        *figures,
    )


def _on_spot(figure: float, offer: Offer) -> float | None:
    """A cost on demand as it is on Spot; None where no price is known."""
    on_demand, spot = offer.on_demand.hourly, offer.spot.hourly
    return figure * spot / on_demand if on_demand and spot is not None else None


def _multiple(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _errors(estimate: Estimate) -> str:
    speeds, benchmarks = estimate.speeds, newest_benchmarks()
    bases = {estimated.candidate.speed.basis for estimated in estimate.ranking}
    predicted = "".join(
        f", {_factor(sd)} where a speed is known from {basis.value}"
        for basis, sd in speeds.errors.items()
        if basis in bases
    )
    against = "the measured shape" if estimate.stored.capacities else "the cheapest shape"
    return (
        f"In brackets: 95 % ranges against {against}. Their standard deviations: {_factor(speeds.carry_over)} for the"
        " CPU, by which two public CNN benchmarks differ, since neither is this model;"
        f" {_factor(speeds.fit.scatter)} for the machine type{predicted}. Assumed: a shape serves in proportion to its"
        f" cores.\nSpeeds: {benchmarks.source}, {benchmarks.since} to {benchmarks.as_of}: Background Blur, a CNN in"
        " floating point."
    )


def _factor(sd: float) -> str:
    return f"a factor of {math.exp(sd):.2f}"


def _json(estimate: Estimate) -> dict[str, Any]:
    speeds, benchmarks = estimate.speeds, newest_benchmarks()
    return {
        "is_estimate": True,
        "model": estimate.model.name,
        "objective": estimate.stored.objective and estimate.stored.objective.model_dump(),
        "benchmark": {"source": benchmarks.source, "workload": FLOAT, "as_of": benchmarks.as_of.isoformat()},
        "log_sd": {
            "carry_over": speeds.carry_over,
            "machine_type": speeds.fit.scatter,
            **{basis.name: sd for basis, sd in speeds.errors.items()},
        },
        "measured": [_capacity_json(capacity) for capacity in estimate.stored.capacities],
        "estimates": [
            _estimated_json(estimated, estimate.offers[estimated.candidate.shape.name])
            for estimated in estimate.ranking
        ],
        "unpriced": estimate.unpriced,
        "unknown": estimate.unknown,
        "excluded": excluded_json(estimate.stored.excluded),
        **skipped_json(estimate.scan),
    }


def _capacity_json(capacity: Capacity) -> dict[str, Any]:
    return {
        "shape": capacity.candidate.shape.model_dump(),
        "capacity_rps": capacity.rps.to_dict(),
        "predictions_per_request": capacity.instances,
    }


def _estimated_json(estimated: Estimated, offer: Offer) -> dict[str, Any]:
    scaled = estimated.scaled
    return {
        "shape": estimated.candidate.shape.model_dump(),
        "cores": estimated.candidate.shape.nodes * estimated.candidate.shape.cores,
        "cpus": estimated.candidate.shape.series.cpus,
        "basis": estimated.candidate.speed.basis.name,
        "usd_hourly": offer.on_demand.hourly,
        "spot_usd_hourly": offer.spot.hourly,
        "relative_cost": estimated.relative_cost.to_dict(),
        "capacity_rps": scaled and scaled.rps.to_dict(),
        "usd_per_million": scaled and scaled.usd_per_million.to_dict(),
        "scaled_from": scaled and scaled.of.candidate.shape.name,
    }
