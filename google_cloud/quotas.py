"""Reads the quotas of a project and of one of its regions."""

from dataclasses import dataclass

from google_cloud.rest import FORBIDDEN, CloudError, GoogleClient, Json, entries
from stacks.machines.quota_needs import Need, Scope

SCOPES: tuple[Scope, ...] = ("region", "project")


@dataclass(frozen=True)
class Quota:
    """A quota: Google's name of it, its limit, and how much is used."""

    metric: str
    limit: float
    used: float

    @property
    def left(self) -> float:
        return max(self.limit - self.used, 0)


def read_quotas(google: GoogleClient, project: str, region: str, scope: Scope) -> dict[str, Json]:
    """The quotas of a scope as Google has them, by metric; raises CloudError. A missing region has none."""
    path = f"projects/{project}/regions/{region}" if scope == "region" else f"projects/{project}"
    return {str(entry.get("metric")): entry for entry in entries(google.find("compute", path) or {}, "quotas")}


def quota_of(metric: str, document: Json) -> Quota:
    """One of them; raises CloudError where it has no amounts."""
    try:
        return Quota(metric, float(str(document["limit"])), float(str(document["usage"])))
    except (KeyError, ValueError):
        raise CloudError(
            f"Google's answer lacks the limit or the usage of quota {metric}, so it is not known how much is left"
        ) from None


def family_limit(google: GoogleClient, project: str, region: str, need: Need) -> int | None:
    """The limit of a quota with a dimension for the machine family, negative where there is none.

    None where Google does not list it, or these credentials may not read it. How much of it is used is never listed.
    Raises CloudError.
    https://docs.cloud.google.com/docs/quotas/reference/rest/v1/projects.locations.services.quotaInfos
    """
    path = f"projects/{project}/locations/global/services/compute.googleapis.com/quotaInfos/{quota_id(need)}"
    wanted = {"region": region, "vm_family": need.vm_family}
    try:
        answer = google.find("cloudQuotas", path)
    except CloudError as error:
        if error.status != FORBIDDEN:
            raise
        return None
    limits = {}
    for info in entries(answer or {}, "dimensionsInfos"):
        dimensions = info.get("dimensions", {})
        # An entry without a dimension is of all values that no other entry names.
        if dimensions.items() <= wanted.items() and region in info.get("applicableLocations", [region]):
            limits[len(dimensions)] = int(info.get("details", {}).get("value", 0))
    return limits[max(limits)] if limits else None


def where(need: Need, region: str) -> str:
    return f"in {region}" if need.scope == "region" else "in all regions together"


def quota_id(need: Need) -> str:
    """The quota's name in the Cloud Quotas API and in `gcloud quotas`."""
    return f"{need.metric.replace('_', '-')}-per-project{'-region' if need.scope == 'region' else ''}"


def not_checked(need: Need, project: str, region: str) -> str:
    """What to say of a needed quota that is not listed.

    The command: https://docs.cloud.google.com/sdk/gcloud/reference/quotas/info/describe.
    """
    return (
        f"quota {need.title} {where(need, region)}: {need.amount} needed, but Google's list of quotas lacks it, so it"
        " was not checked. If less is left, Google refuses a part of the stack, perhaps only after the cluster was"
        f" created and costs money. To see it: gcloud quotas info describe {quota_id(need)}"
        f" --service=compute.googleapis.com --project={project}, or"
        f" https://console.cloud.google.com/iam-admin/quotas?project={project}"
    )
