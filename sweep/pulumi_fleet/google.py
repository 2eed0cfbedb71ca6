"""Lists and removes a stack's resources in Google Cloud that its Pulumi state does not have, as the janitor does."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google_cloud.access import NoCredentialsError, access_of
from google_cloud.interrupted_update import interrupted_names
from google_cloud.inventory import inventory, is_within
from google_cloud.leftovers import Why, leftovers
from google_cloud.removal import Remover
from google_cloud.rest import CloudError, GoogleClient
from stacks.files import google_keys
from stacks.names import STACK, label_value
from sweep.fleet import FleetError

Say = Callable[[str], None]


def interrupted_creations(state: str, stack: str) -> Mapping[str, str | None]:
    """The Google Cloud resources that a killed update of the stack was creating, by name."""
    return interrupted_names(state, stack)


def remove_interrupted(stack: str, state: str, config: Mapping[str, Any], say: Say) -> list[str]:
    """Remove what killed updates were creating; returns why each of the rest is not removed yet."""
    interrupted = interrupted_creations(state, stack)
    if not interrupted:
        return []
    with _google(stack, config) as (google, project):
        listed = inventory(google, project, say)
        found = leftovers(listed, google.now(), interrupted)
        of_stack = [
            leftover
            for leftover in found
            if leftover.why is Why.interrupted and leftover.resource.stack == label_value(stack)
        ]
        failures = dict(Remover(google, say).remove(of_stack))
    region = str(config.get("gcp:zone", "")).rpartition("-")[0] or None
    unlisted = [place for place in listed.unlisted if is_within(place, region)]
    return [
        *(
            f"{leftover.resource.kind.name} {leftover.resource.name}: {why}"
            for leftover, why in failures.items()
            if why
        ),
        *(f"no answer from {place}, so it is not known what was being created there" for place in unlisted),
    ]


def left_in_google_cloud(stack: str, config: Mapping[str, Any], say: Say) -> list[str]:
    """Every resource with the labels of the stack, each with how to remove it; raises FleetError where unknown."""
    with _google(stack, config) as (google, project):
        listed = inventory(google, project, say)
        if listed.unlisted:
            raise FleetError(
                f"no answer from {', '.join(listed.unlisted)}, so it is not known whether something of {stack} is left"
                f" there; in some minutes {_look_for(stack, project)}"
            )
    return [
        f"{resource.kind.name} {resource.name} ({resource.location}): tools/take_down {stack}, then"
        f" shapebench janitor --stack {stack} --project {project} --yes"
        for resource in listed.resources
        if resource.stack == label_value(stack)
    ]


def _look_for(stack: str, project: str) -> str:
    return (
        f"look in project {project} for resources with the label {STACK}={label_value(stack)}. `shapebench janitor"
        f" --stack {stack} --project {project}` lists them once their lease has ended"
    )


@contextmanager
def _google(stack: str, config: Mapping[str, Any]) -> Iterator[tuple[GoogleClient, str]]:
    access = access_of(google_keys(config))
    if access.project is None:
        raise FleetError(
            f"gcp:project is not set, so it is not known where the stack {stack} is; set it: pulumi config set"
            f" gcp:project PROJECT --stack {stack}"
        )
    try:
        yield GoogleClient(access), access.project
    except (CloudError, NoCredentialsError) as error:
        raise FleetError(
            f"the resources of the stack {stack} in project {access.project} could not be listed: {error}; correct the"
            f" cause, then {_look_for(stack, access.project)}"
        ) from error
