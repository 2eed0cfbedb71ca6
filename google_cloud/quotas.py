"""Reads the quotas of a project and of one of its regions."""

from dataclasses import dataclass

from google_cloud.rest import CloudError, GoogleClient, Json, entries
from stacks.quota_needs import Scope

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
    return {str(each.get("metric")): each for each in entries(google.find("compute", path) or {}, "quotas")}


def quota_of(metric: str, document: Json) -> Quota:
    """One of them; raises CloudError where it has no amounts."""
    try:
        return Quota(metric, float(str(document["limit"])), float(str(document["usage"])))
    except (KeyError, ValueError):
        raise CloudError(
            f"Google's answer lacks the limit or the usage of quota {metric}, so it is not known how much is left"
        ) from None
