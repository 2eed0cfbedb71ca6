"""The fields of GKE's ComputeClass that a fleet in production uses, as a CustomResourceDefinition for a test's cluster.

Written from Google's reference (https://cloud.google.com/kubernetes-engine/docs/reference/crds/computeclass, read
2026-12) and from the schema that clusters publish (https://github.com/datreeio/CRDs-catalog, computeclass_v1.json at
2b29511), which says more: the API server refuses what is not here.
"""

from typing import Any

_BOOLEAN, _STRING = {"type": "boolean"}, {"type": "string"}
_BOOT_DISKS = ["pd-balanced", "pd-standard", "pd-ssd", "hyperdisk-balanced"]


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


_PRIORITY = _object(
    machineType=_STRING,
    machineFamily=_STRING,
    minCpuPlatform=_STRING,
    minCores={"type": "integer", "minimum": 0},
    spot=_BOOLEAN,
    storage=_object(
        bootDiskSize={"type": "integer", "minimum": 10},
        bootDiskType={"type": "string", "enum": _BOOT_DISKS},
    ),
) | {"minProperties": 1}

_SPEC = _object(
    "whenUnsatisfiable",
    priorities={"type": "array", "items": _PRIORITY},
    nodePoolAutoCreation=_object("enabled", enabled=_BOOLEAN),
    whenUnsatisfiable={"type": "string", "enum": ["ScaleUpAnyway", "DoNotScaleUp"]},
    activeMigration=_object("optimizeRulePriority", optimizeRulePriority=_BOOLEAN),
)

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "computeclasses.cloud.google.com"},
    "spec": {
        "group": "cloud.google.com",
        "scope": "Cluster",
        "names": {"kind": "ComputeClass", "plural": "computeclasses", "singular": "computeclass"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": _object("spec", spec=_SPEC)},
            }
        ],
    },
}
