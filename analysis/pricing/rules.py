"""Rules that map each billed resource to SKUs of Google's catalogue.

A rule matches the service, the usage type and the whole description, since descriptions share words ("Spot Preemptible
E2 …", "Committed Use Discount Premium for E2 Custom …"). No rule prices a custom type by the SKU of predefined types: a
resource without a SKU of its own has no price.
"""

import re
from dataclasses import dataclass

from analysis.pricing import ON_DEMAND, Usage
from stacks.machines.machine_series import ALL_SERIES

COMPUTE, CLUSTERS, NETWORK, STORAGE = "Compute Engine", "Kubernetes Engine", "Networking", "Cloud Storage"

# "E2 Instance Core running in Americas", and in newer regions "E2 Instance Core in Montreal".
_PLACE = r"(?: running)? in .+"
_RAM = "(?:Ram|RAM)"
_HYPERDISK = "Hyperdisk Balanced Capacity in (?!.*Confidential).+"


@dataclass(frozen=True)
class Part:
    """One SKU: its service, its usage type, and a pattern of its whole description."""

    service: str
    usage_type: str
    description: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.service}, {self.usage_type}: {self.description.pattern}"


@dataclass(frozen=True)
class Rule:
    """The price of a resource: one SKU, or the sum of several. `usage_unit` is the catalogue's name of `unit`."""

    resource: str
    usage: Usage
    parts: tuple[Part, ...]
    usage_unit: str
    unit: str

    def __str__(self) -> str:
        return " + ".join(map(str, self.parts))


def _part(service: str, description: str, usage_type: str = "OnDemand") -> Part:
    return Part(service, usage_type, re.compile(description))


def _machine(resource: str, usage: Usage, *parts: Part) -> Rule:
    usage_unit, unit = ("h", "vCPU-hour") if resource.endswith("-core") else ("GiBy.h", "GB-hour")
    return Rule(resource, usage, parts, usage_unit, unit)


def _committed(series: str, resource: str, component: str, years: int) -> Rule:
    """A commitment is for predefined vCPUs and memory; a custom type pays a premium as well."""
    usage: Usage = "commit-1y" if years == 1 else "commit-3y"
    what = "Cpu" if component == "Core" else _RAM
    commitment = _part(COMPUTE, rf"Commitment v1: {series} {what} in .+ for {years} Years?", f"Commit{years}Yr")
    custom = f"Committed Use Discount Premium for {series} Custom Instance {component}{_PLACE}"
    premium = _part(COMPUTE, custom, "CmtCudPremium")
    return _machine(resource, usage, *((commitment, premium) if "custom" in resource else (commitment,)))


def _machine_rules(resource: str, sku_name: str, component: str) -> tuple[Rule, ...]:
    instance, series = f"{sku_name} Instance", sku_name.removesuffix(" Custom")
    return (
        _machine(resource, ON_DEMAND, _part(COMPUTE, f"{instance} {component}{_PLACE}")),
        _machine(resource, "spot", _part(COMPUTE, f"Spot Preemptible {instance} {component}{_PLACE}", "Preemptible")),
        _committed(series, resource, component, 1),
        _committed(series, resource, component, 3),
    )


RULES: tuple[Rule, ...] = (
    *(
        rule
        for series in ALL_SERIES
        for name, sku_name in (
            (series.name, series.sku_name),
            *([(f"{series.name}-custom", f"{series.sku_name} Custom")] if series.custom else []),
        )
        for billed, component in (("core", "Core"), ("memory", _RAM))
        for rule in _machine_rules(f"{name}-{billed}", sku_name, component)
    ),
    Rule("pd-balanced", ON_DEMAND, (_part(COMPUTE, r"Balanced PD Capacity(?: in .+)?"),), "GiBy.mo", "GB-month"),
    # Not "… Confidential Mode", which costs five times as much, "… High Availability …" or "… Storage Pools …". SKUs of
    # IOPS and throughput are of what is provisioned beyond the included; pools declare no more than that.
    Rule("hyperdisk-balanced", ON_DEMAND, (_part(COMPUTE, _HYPERDISK),), "GiBy.mo", "GB-month"),
    Rule("gke-zonal-cluster", ON_DEMAND, (_part(CLUSTERS, "Zonal Kubernetes Clusters"),), "h", "cluster-hour"),
    Rule("nat-gateway-vm", ON_DEMAND, (_part(NETWORK, "Networking Cloud Nat Gateway Uptime"),), "h", "VM-hour"),
    Rule("nat-address", ON_DEMAND, (_part(NETWORK, "Networking Cloud NAT IP Usage"),), "h", "address-hour"),
    Rule("nat-data", ON_DEMAND, (_part(NETWORK, "Networking Cloud Nat Data Processing"),), "GiBy", "GB-month"),
    Rule(
        "standard-storage",
        ON_DEMAND,
        (_part(STORAGE, r"Standard Storage (?!.*(?:[Dd]ual|[Mm]ulti)-[Rr]egion|.*Early)\S.*"),),
        "GiBy.mo",
        "GB-month",
    ),
)
