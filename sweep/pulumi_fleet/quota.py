"""Counts what a sweep's GKE stacks take of the quotas that they share, before any of them is created."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from google_cloud.access import Access, NoCredentialsError, access_of
from google_cloud.preflight import Requirements, beyond_running_cluster
from google_cloud.quotas import SCOPES, quota_of, read_quotas, where
from google_cloud.rest import CloudError, GoogleClient
from stacks.explain import SettingsError
from stacks.files import google_keys, load_config, settings_in, zone_of
from stacks.quota_needs import Need, needs
from sweep.fleet import FleetError
from sweep.room import Room


def room_of(stacks: Collection[str]) -> Room:
    """The quotas of all GKE stacks among these whose preflight is on; raises FleetError where Google does not answer.

    Two stacks that are created at once each see a quota that is free, so the preflight of neither finds that the other
    takes it.
    """
    free: dict[str, float] = {}
    taken_by: dict[str, dict[str, float]] = defaultdict(dict)
    try:
        for stack in stacks:
            config = load_config(stack)
            access, required = access_of(google_keys(config)), _required(stack, config)
            if required is None or access.project is None:
                continue
            google = GoogleClient(access)
            missing = {
                (each.metric, each.scope): each.amount for each in beyond_running_cluster(required, access).needs
            }
            for scope in SCOPES:
                listed = read_quotas(google, access.project, required.region, scope)
                # A missing region lists none: the stack's preflight says so.
                for need in (each for each in required.needs if each.scope == scope and listed):
                    name = _name(need, required, access)
                    taken_by[stack][name] = need.amount
                    if need.metric in listed:
                        held = need.amount - missing.get((need.metric, scope), 0)
                        free[name] = free.get(name, quota_of(need.metric, listed[need.metric]).left) + held
    except (CloudError, NoCredentialsError, SettingsError) as error:
        raise FleetError(str(error)) from error
    return Room(free, dict(taken_by))


def _required(stack: str, config: dict[str, Any]) -> Requirements | None:
    """What a stack takes of quotas; None where it takes none, or is created without the check of quotas."""
    settings = settings_in(config)
    if settings.platform != "gke" or not settings.gke.preflight:
        return None
    shapes = settings.node_shape(stack), settings.load_shape
    return Requirements(stack, zone_of(config, settings), needs(*shapes), ())


def _name(need: Need, required: Requirements, access: Access) -> str:
    """Equal for stacks that share the quota; regions and projects have their own."""
    return f"quota {need.metric} {where(need, required.region)} of project {access.project}"
