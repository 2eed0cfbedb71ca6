"""`shapebench shapes`: node shapes of all machine series near a size, with prices and quotas, the cheapest first."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

from analysis.formatting import MISSING, money
from analysis.pricing import cost
from analysis.pricing.stack_cost import kept_cost
from analysis.report.tables import Table
from analysis.results.schema.manifest import Cost
from shapebench.commands.prices.price import Priced, note_sources, require_prices
from shapebench.output import CommandError, note, print_json, print_table
from stacks.allocatable import ShapeTooSmallError, pod_resources
from stacks.machines.machine_series import ALL_SERIES, MachineSeries
from stacks.machines.quota_needs import quota_title
from stacks.machines.shapes import MOST_NODES, NodeShape, ShapeSettings, shape_name
from stacks.server.models import RESNET50, Model

_AMOUNT = re.compile(r"(?P<amount>[1-9]\d{0,4})\s*(?P<unit>[a-z]*)")
# How far the vCPUs may be from those that are asked for: C3D has 30 where others have 32.
_NEAR = 0.25
_DISPENSABLE = ("boot disk", "cores", "vCPUs", "nodes only, USD/24 h", "quota of the vCPUs")


@dataclass(frozen=True)
class Offer:
    """A shape with its price on demand and on Spot."""

    shape: NodeShape
    on_demand: Cost
    spot: Cost

    @property
    def quota(self) -> str:
        series = self.shape.series
        return quota_title(series.cpu_quota, series.vm_family)


@dataclass(frozen=True)
class Offers:
    """Shapes near so many vCPUs, the cheapest first, and the machine types that are too small to load the model."""

    vcpus: int
    model: Model
    found: tuple[Offer, ...]
    too_small: tuple[str, ...]

    @classmethod
    def near(cls, near: str, memory: str | None, region: str, model: Model) -> Self:
        """Raises CommandError where a size is not one, and where nothing is near it or the region has no prices."""
        vcpus, memory_gb = _parse("--near", near, "vcpu", 16), _parse("--memory", memory, "gb", 32) if memory else 0
        shapes, too_small = _shapes(vcpus, memory_gb, model)
        if too_small and not shapes:
            raise CommandError(
                f"of the machine types near {vcpus} vCPUs none has the memory to load {model.title}, which needs"
                f" {model.least_memory_mib} MiB beside GKE's own pods; give another --near, or a --memory"
            )
        if not shapes:
            raise CommandError(
                f"no machine type of {_names(has_server_image=True)} comes near {vcpus} vCPUs with {memory_gb} GB in 1"
                f" to {MOST_NODES} nodes; give another --near, or less --memory"
            )
        offers = [_offer(shape, region, model) for shape in shapes]
        require_prices([Priced(offer.shape, offer.on_demand) for offer in offers[:1]])
        return cls(vcpus, model, tuple(sorted(offers, key=_by_price)), tuple(too_small))

    def note_left_out(self) -> None:
        """Say which machine types are not among them, and why."""
        if self.too_small:
            note(f"Left out, because their nodes cannot load {self.model.title}: {', '.join(self.too_small)}.")
        note(f"Left out, because there is no server image for arm64: {_names(has_server_image=False)}.")


def print_shapes(near: str, memory: str | None, region: str, top: int, *, as_json: bool) -> None:
    """Print the offers for ResNet50; raises what `Offers.near` raises."""
    offers = Offers.near(near, memory, region, RESNET50)
    if as_json:
        print_json([_json(offer) for offer in offers.found])
        return
    _print(offers.found[:top], offers.vcpus)
    if (left := len(offers.found) - top) > 0:
        note(f"\n{left} dearer shapes are left out; --top or --json has them.")
    offers.note_left_out()
    note("To make a stack of one: shapebench init NAME --machine TYPE --nodes N")
    note("To measure several: shapebench sweep --machine TYPE,… --total-vcpus N")


def _parse(option: str, text: str, unit: str, example: int) -> int:
    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None or match["unit"].removesuffix("s") not in ("", unit):
        raise CommandError(f"{option} {text!r} is not a number of {unit}; give one such as {example}{unit}")
    return int(match["amount"])


def _shapes(vcpus: int, memory_gb: int, model: Model) -> tuple[list[NodeShape], list[str]]:
    """The shapes that are near, and the machine types of those that are too small for a server."""
    shapes, too_small = [], []
    for series in ALL_SERIES:
        for machine_type, nodes in _near(series, vcpus, memory_gb) if series.has_server_image else ():
            settings = ShapeSettings(machine_type=machine_type, nodes=nodes)
            shape = NodeShape.of(shape_name(nodes, machine_type), settings)
            try:
                pod_resources(shape, model)
                shapes.append(shape)
            except ShapeTooSmallError:
                too_small.append(machine_type)
    return shapes, too_small


def _near(series: MachineSeries, vcpus: int, memory_gb: int) -> Iterator[tuple[str, int]]:
    """Predefined types with enough memory, and with `memory_gb` custom types that have just that."""
    for machine_type, (each_vcpus, each_gb) in series.types.items():
        nodes = _nodes(vcpus, each_vcpus)
        if nodes and nodes * each_gb >= memory_gb:
            yield machine_type, nodes
    for each_vcpus in series.custom.vcpus if series.custom and memory_gb else ():
        if (nodes := _nodes(vcpus, each_vcpus)) and nodes * each_vcpus == vcpus:
            machine_type = f"{series.name}-custom-{each_vcpus}-{ceil(memory_gb * 4 / nodes) * 256}"
            if series.resources(machine_type):
                yield machine_type, nodes


def _nodes(vcpus: int, each_vcpus: int) -> int:
    """How many nodes come closest; 0 where none come near."""
    nodes = max(1, round(vcpus / each_vcpus))
    return nodes if nodes <= MOST_NODES and abs(nodes * each_vcpus - vcpus) <= _NEAR * vcpus else 0


def _offer(shape: NodeShape, region: str, model: Model) -> Offer:
    uploaded = model.uploaded_bytes
    return Offer(
        shape, kept_cost("gke", shape, region, uploaded), kept_cost("gke", shape, region, uploaded, usage="spot")
    )


def _by_price(offer: Offer) -> tuple[bool, float, str]:
    """What has no price comes last: it is not free."""
    unpriced = offer.on_demand.hourly is None
    return unpriced, cost.at_least(offer.on_demand) if unpriced else offer.on_demand.hourly or 0, offer.shape.name


def _print(offers: Sequence[Offer], vcpus: int) -> None:
    numbers = ("vCPUs", "cores", "memory, GB", "nodes only, USD/24 h", "all, USD/24 h", "all, spot, USD/24 h")
    rows = [
        (
            f"{offer.shape.nodes} × {offer.shape.machine_type}",
            " or ".join(offer.shape.series.cpus),
            offer.quota,
            offer.shape.disk.name,
            str(offer.shape.nodes * offer.shape.vcpus),
            str(offer.shape.nodes * offer.shape.cores),
            f"{offer.shape.nodes * offer.shape.memory_gb:g}",
            money(cost.times(cost.nodes_hourly(offer.on_demand), cost.HOURS_A_DAY)),
            money(cost.times(offer.on_demand.hourly, cost.HOURS_A_DAY)),
            money(cost.times(offer.spot.hourly, cost.HOURS_A_DAY)),
        )
        for offer in offers
    ]
    texts = ("shape", "CPU", "quota of the vCPUs", "boot disk")
    print_table(Table.of(f"Shapes near {vcpus} vCPUs", texts, numbers, rows), dispensable=_DISPENSABLE)
    note(
        f"\n{MISSING}: no price is known. all: with disks, cluster fee, NAT gateway and bucket. spot: Google takes such"
        " nodes back when it needs them, and no stack has any."
    )
    note_sources([offer.on_demand for offer in offers])


def _json(offer: Offer) -> dict[str, Any]:
    return {
        "shape": offer.shape.model_dump(),
        "cores": offer.shape.nodes * offer.shape.cores,
        "cpus": offer.shape.series.cpus,
        "quota": offer.quota,
        "boot_disk": offer.shape.disk.name,
        "nodes_only_24h_usd": cost.times(cost.nodes_hourly(offer.on_demand), cost.HOURS_A_DAY),
        "all_24h_usd": cost.times(offer.on_demand.hourly, cost.HOURS_A_DAY),
        "all_spot_24h_usd": cost.times(offer.spot.hourly, cost.HOURS_A_DAY),
    }


def _names(*, has_server_image: bool) -> str:
    return ", ".join(series.name for series in ALL_SERIES if series.has_server_image == has_server_image)
