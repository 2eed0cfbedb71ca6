"""Counts what a sweep's GKE stacks take of the quotas that they share, before any of them is created."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import inf
from typing import Any

from google_cloud.access import Access, NoCredentialsError, access_of
from google_cloud.preflight import Requirements, beyond_running_cluster
from google_cloud.quotas import SCOPES, family_limit, quota_of, read_quotas, where
from google_cloud.rest import CloudError, GoogleClient
from stacks.explain import SettingsError
from stacks.files import google_keys, load_config, settings_in, zone_of
from stacks.machines.quota_needs import Need, needs
from sweep.fleet import FleetError, LastingError
from sweep.room import Room


def room_of(stacks: Collection[str], made: Mapping[str, Mapping[str, Any]] | None = None) -> Room:
    """The quotas of all GKE stacks among these whose preflight is on; raises FleetError where Google does not answer.

    Two stacks that are created at once each see a quota that is free, so the preflight of neither finds that the other
    takes it. `made` has the configuration of stacks whose files are not written yet. Raises LastingError where a
    project gets no machine of a stack's series.
    """
    free: dict[str, float] = {}
    taken_by: dict[str, dict[str, float]] = defaultdict(dict)
    not_offered: dict[str, list[str]] = defaultdict(list)
    try:
        for stack in stacks:
            config = made[stack] if made and stack in made else load_config(stack)
            access, required = access_of(google_keys(config)), _required(stack, config)
            if required is None or access.project is None:
                continue
            for need, left, held in _known(required, access, access.project):
                name = _name(need, required, access)
                taken_by[stack][name] = need.amount
                if left is not None:
                    free[name] = free.get(name, left) + held
                if need.vm_family and left == 0:
                    not_offered[name].append(stack)
    except (CloudError, NoCredentialsError, SettingsError) as error:
        raise FleetError(str(error)) from error
    if not_offered:
        raise LastingError(" ".join(map(_why_not_offered, not_offered, not_offered.values())))
    return Room(free, dict(taken_by))


def _known(required: Requirements, access: Access, project: str) -> Iterator[tuple[Need, float | None, float]]:
    """What a stack needs of each quota, what is left, and what the stack holds beside that; None where it is not known.

    Of the quota of a machine family only the limit is known, which has both.
    """
    google = GoogleClient(access)
    missing = {
        (lacking.metric, lacking.scope): lacking.amount for lacking in beyond_running_cluster(required, access).needs
    }
    for scope in SCOPES:
        listed = read_quotas(google, project, required.region, scope)
        # A missing region lists none: the stack's preflight says so.
        for need in (quota_need for quota_need in required.needs if quota_need.scope == scope and listed):
            if need.vm_family:
                limit = family_limit(google, project, required.region, need)
                yield need, inf if limit is not None and limit < 0 else limit, 0
            elif need.metric in listed:
                held = need.amount - missing.get((need.metric, scope), 0)
                yield need, quota_of(need.metric, listed[need.metric]).left, held
            else:
                yield need, None, 0


def _why_not_offered(quota: str, stacks: Sequence[str]) -> str:
    return (
        f"The {quota} is 0, so Google would refuse the machines of {' and '.join(stacks)}. Leave these stacks or"
        " machine types out, choose another region, or ask Google for more of the quota."
    )


def _required(stack: str, config: Mapping[str, Any]) -> Requirements | None:
    """What a stack takes of quotas; None where it takes none, or is created without the check of quotas."""
    settings = settings_in(config)
    if settings.platform != "gke" or not settings.gke.preflight:
        return None
    shapes = settings.node_shape(stack), settings.load_shape
    return Requirements(stack, zone_of(config, settings), needs(*shapes), ())


def _name(need: Need, required: Requirements, access: Access) -> str:
    """Equal for stacks that share the quota; regions and projects have their own."""
    return f"quota {need.title} {where(need, required.region)} of project {access.project}"
