"""The Kubernetes objects of a fleet in production, as the API server takes them.

The pods are those that were measured: components.serving.pod. What differs is round them. They are rolled over one by
one instead of all at once, drain before they end, and everybody in the cluster can reach them.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pulumi.runtime.rpc import serialize_property

from components.serving.autoscaler import autoscaler_spec
from components.serving.model_access import script_files
from components.serving.pod import pod_template
from shapebench.commands.planning.day import usd_text
from shapebench.production.choice import Production
from stacks.machines.gke import BOOT_DISK_GB
from stacks.machines.shapes import NodeShape
from stacks.names import REST_PORT
from stacks.server.serving_variant import fingerprint
from stacks.version import VERSION

Object = dict[str, Any]
DEPLOYMENT = "deployment.yaml"
COMPUTE_CLASS = "cloud.google.com/compute-class"


def objects_of(production: Production) -> dict[str, list[Object]]:
    """The objects by the name of their file; the files can be applied in any order."""
    args = production.args
    config_files = args.server.config_files(args.variant) | (script_files() if args.bucket else {})
    config_map = f"{production.name}-{fingerprint(config_files)}"
    deployment = [
        _object(production, "v1", "ConfigMap", name=config_map, data=config_files, immutable=True),
        _deployment(production, config_map),
    ]
    if args.bucket:
        deployment.insert(0, _object(production, "v1", "ServiceAccount", automountServiceAccountToken=False))
    files = {
        DEPLOYMENT: deployment,
        "service.yaml": _services(production),
        "disruption-budget.yaml": [_disruption_budget(production)],
    }
    if production.replicas.target_percent is not None:
        files["autoscaler.yaml"] = [_autoscaler(production, production.replicas.target_percent)]
    if production.machines:
        files["compute-class.yaml"] = [_compute_class(production)]
    return files


def facts(production: Production) -> dict[str, str]:
    """What is known of the fleet and from where, as annotations."""
    verdict, variant, run = production.day.verdict, production.variant, production.run
    objective = verdict.objective
    known = {
        "variant": variant.offer.label,
        "objective": f"{objective.quantile_name} <= {objective.latency_ms:g} ms",
        "node-requests-per-second": f"{variant.offer.sizing.node_rps:.4g}",
        "runs": " ".join(manifest.run_id for manifest in variant.offer.ranked.variant.manifests),
        "measured": f"{run.finished_at:%Y-%m-%d}",
        "usd-a-day": usd_text(variant, production.fleet.usd),
        "prices": f"{run.cost.region} {variant.offer.cost(1).prices_as_of}",
        "model-digest": run.serving.model.digest,
        "version": VERSION,
    }
    return {f"shapebench/{key}": value for key, value in known.items()}


def _object(
    production: Production,
    api_version: str,
    kind: str,
    *,
    name: str | None = None,
    annotations: Mapping[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 - any field of an object
) -> Object:
    metadata: Object = {"name": name or production.name, "namespace": production.args.namespace}
    metadata["labels"] = production.labels | {"app.kubernetes.io/managed-by": "shapebench"}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _deployment(production: Production, config_map: str) -> Object:
    replicas = production.replicas
    spec: Object = {
        "selector": {"matchLabels": production.labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": _rollover(production)},
        "template": _template(production, config_map),
    }
    # The autoscaler's number would be set back by each `kubectl apply`.
    fixed = {} if replicas.target_percent is not None else {"replicas": replicas.most}
    return _object(production, "apps/v1", "Deployment", annotations=facts(production), spec=fixed | spec)


def _rollover(production: Production) -> Object:
    """Where GKE makes another node, a new pod serves before an old one ends; else it waits for the node of that one."""
    return {"maxSurge": 1, "maxUnavailable": 0} if production.machines else {"maxSurge": 0, "maxUnavailable": 1}


def _template(production: Production, config_map: str) -> Object:
    template = _as_json(partial(pod_template, production.args, config_map, production.labels, drains=True))
    spec = template["spec"]
    if production.machines:
        spec["nodeSelector"] = {COMPUTE_CLASS: production.name}
    if production.day.terms.zones > 1:
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                # A zone without machines must not keep pods from the others.
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": production.labels},
            }
        ]
    return template


def _as_json(make: Callable[[], Any]) -> Object:
    """A part of a stack's resources, as Pulumi sends it to its engine; it is made in the event loop that it needs."""

    async def serialized() -> Any:  # noqa: ANN401 - JSON
        return await serialize_property(make(), [], None)

    found: Object = _without_nothing(asyncio.run(serialized()))
    return found


def _without_nothing(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _without_nothing(member) for key, member in value.items() if member is not None}
    return [_without_nothing(element) for element in value] if isinstance(value, list) else value


def _services(production: Production) -> list[Object]:
    selector, ports = production.labels, production.args.server.ports
    rest = {"name": "rest", "port": REST_PORT, "targetPort": "rest"}
    services = [_object(production, "v1", "Service", spec={"selector": selector, "ports": [rest]})]
    if ports.grpc:
        # Headless, so that clients with the policy `round_robin` send to all pods.
        port = {"name": "grpc", "port": ports.grpc, "targetPort": "grpc"}
        grpc = {"clusterIP": "None", "selector": selector, "ports": [port]}
        services.append(_object(production, "v1", "Service", name=f"{production.name}-grpc", spec=grpc))
    return services


def _disruption_budget(production: Production) -> Object:
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": production.labels},
        # A pod that does not serve must not keep its node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _object(production, "policy/v1", "PodDisruptionBudget", spec=spec)


def _autoscaler(production: Production, target_percent: int) -> Object:
    replicas = production.replicas
    make = partial(autoscaler_spec, production.name, (replicas.least, replicas.most), target_percent)
    return _object(production, "autoscaling/v2", "HorizontalPodAutoscaler", spec=_as_json(make))


def _compute_class(production: Production) -> Object:
    """The machine types in the order of their days' bills.

    https://cloud.google.com/kubernetes-engine/docs/reference/crds/computeclass, read 2026-12.
    """
    spec = {
        "priorities": [_priority(shape) for shape in production.machines],
        "nodePoolAutoCreation": {"enabled": True},
        # No machine that nobody measured.
        "whenUnsatisfiable": "DoNotScaleUp",
        "activeMigration": {"optimizeRulePriority": True},
    }
    compute_class = _object(production, "cloud.google.com/v1", "ComputeClass", spec=spec)
    # It is of the whole cluster.
    del compute_class["metadata"]["namespace"]
    return compute_class


def _priority(shape: NodeShape) -> Object:
    priority: Object = {"machineType": shape.machine_type, "spot": False}
    priority["storage"] = {"bootDiskType": shape.disk.name, "bootDiskSize": BOOT_DISK_GB}
    return priority | ({"minCpuPlatform": shape.min_cpu_platform} if shape.min_cpu_platform else {})
