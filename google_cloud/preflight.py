"""What a GKE stack lacks before it is made: everything at once, each with the command that mends it."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from google_cloud.access import Access, NoCredentialsError
from google_cloud.rest import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, CloudError, Google, Json, entries
from stacks.quota_needs import APIS, Need

AUTH_PLUGIN = "gke-gcloud-auth-plugin"
LOGIN = "gcloud auth application-default login"

# One permission for each kind of thing that a stack makes, and the narrowest of Google's roles that has it.
ROLES = {
    "container.clusters.create": "roles/container.admin",
    "compute.networks.create": "roles/compute.networkAdmin",
    "iam.serviceAccounts.create": "roles/iam.serviceAccountAdmin",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
    "resourcemanager.projects.setIamPolicy": "roles/resourcemanager.projectIamAdmin",
    "storage.buckets.create": "roles/storage.admin",
}


@dataclass(frozen=True)
class Wanted:
    """What is to be made, and where. `accounts` are the service accounts whose names have to be free."""

    stack: str
    zone: str
    needs: tuple[Need, ...]
    accounts: tuple[str, ...]

    @property
    def region(self) -> str:
        return self.zone.rpartition("-")[0]


@dataclass(frozen=True)
class Missing:
    """One thing that is not there: what follows from it, and the commands that mend it."""

    what: str
    mend: tuple[str, ...]


def missing(wanted: Wanted, access: Access, connect: Callable[[Access], Google] = Google) -> list[Missing]:
    """Everything that can be seen to be missing; raises CloudError where Google does not answer at all."""
    found = [*_auth_plugin()]
    if access.project is None:
        why = "no project is set, so it is open who would pay"
        return [*found, Missing(why, (f"pulumi config set gcp:project <project> --stack {wanted.stack}",))]
    try:
        google = connect(access)
        return [*found, *_seen_in(google, access.project, wanted)]
    except NoCredentialsError as error:
        return [*found, Missing(f"no Google credentials were found ({error})", (LOGIN,))]
    except CloudError as error:
        if error.status != UNAUTHORIZED:
            raise
        return [*found, Missing(str(error), (LOGIN,))]


def explained(wanted: Wanted, access: Access, found: Sequence[Missing]) -> str:
    """All of it as one message."""
    things = "one thing is" if len(found) == 1 else f"{len(found)} things are"
    place = f"project {access.project or '(none)'}, zone {wanted.zone}"
    lines = [f"nothing was made, because {things} missing for stack {wanted.stack} in {place}:"]
    for number, each in enumerate(found, start=1):
        lines += [f"{number}. {each.what}", *(f"     {command}" for command in each.mend)]
    return "\n".join([*lines, f"Then run it again. To go on without asking: {skip_command(wanted.stack)}"])


def skip_command(stack: str) -> str:
    """How a stack is made without asking first."""
    return f"pulumi config set --path shapebench:gke.preflight false --stack {stack}"


def _auth_plugin() -> Iterator[Missing]:
    if shutil.which(AUTH_PLUGIN) is None:
        yield Missing(
            f"{AUTH_PLUGIN} is not on PATH, so nothing could be deployed to the cluster",
            (f"gcloud components install {AUTH_PLUGIN}",),
        )


def _seen_in(google: Google, project: str, wanted: Wanted) -> list[Missing]:
    try:
        off = _disabled_apis(google, project)
    except CloudError as error:
        if error.status not in {FORBIDDEN, NOT_FOUND}:
            raise
        return [_unreachable(project, error)]
    checks: dict[str, Callable[[], Iterator[Missing]]] = {
        "compute.googleapis.com": lambda: chain(_zone(google, project, wanted), _quotas(google, project, wanted)),
        "cloudresourcemanager.googleapis.com": lambda: _permissions(google, project),
        "iam.googleapis.com": lambda: _accounts(google, project, wanted),
    }
    # What is not enabled answers nothing, and is one finding and not many.
    asked = [_readable(check, project) for api, check in checks.items() if api not in off]
    return [*_enable(off, project), *chain.from_iterable(asked)]


def _readable(check: Callable[[], Iterator[Missing]], project: str) -> list[Missing]:
    try:
        return [*check()]
    except CloudError as error:
        if error.status != FORBIDDEN:
            raise
        return [Missing(f"what there is in the project may not be read ({error})", (_grant(project, "roles/viewer"),))]


def _disabled_apis(google: Google, project: str) -> list[str]:
    names = [f"projects/{project}/services/{api}" for api in APIS]
    answer = google.get("serviceUsage", f"projects/{project}/services:batchGet", names=names)
    on = {
        str(each.get("name")).rpartition("/")[2]
        for each in entries(answer, "services")
        if each.get("state") == "ENABLED"
    }
    return [api for api in APIS if api not in on]


def _enable(off: Sequence[str], project: str) -> Iterator[Missing]:
    if off:
        are = "is not enabled, so nothing of it" if len(off) == 1 else "are not enabled, so nothing of theirs"
        why = f"{', '.join(off)} {are} can be made"
        yield Missing(why, (f"gcloud services enable {' '.join(off)} --project {project}",))


def _unreachable(project: str, error: CloudError) -> Missing:
    return Missing(
        f"project {project} is not there, or these credentials may not see it ({error})",
        ("gcloud projects list", LOGIN, f"gcloud auth application-default set-quota-project {project}"),
    )


def _zone(google: Google, project: str, wanted: Wanted) -> Iterator[Missing]:
    try:
        state = google.get("compute", f"projects/{project}/zones/{wanted.zone}").get("status")
    except CloudError as error:
        if error.status != NOT_FOUND:
            raise
        state = None
    if state != "UP":
        why = f"zone {wanted.zone} is {'not there' if state is None else state}, so no node could be made in it"
        yield Missing(
            why,
            (
                f"gcloud compute zones list --project {project}",
                f"pulumi config set gcp:zone <zone> --stack {wanted.stack}",
            ),
        )


def _quotas(google: Google, project: str, wanted: Wanted) -> Iterator[Missing]:
    for scope, path in (("region", f"projects/{project}/regions/{wanted.region}"), ("project", f"projects/{project}")):
        listed = _listed(google, path)
        for need in wanted.needs:
            if need.scope == scope and need.metric in listed:
                yield from _short(need, listed[need.metric], project, wanted.region)


def _listed(google: Google, path: str) -> dict[str, Json]:
    """The quotas there, by metric. A region that does not exist has none: its zone is a finding already."""
    try:
        return {str(each.get("metric")): each for each in entries(google.get("compute", path), "quotas")}
    except CloudError as error:
        if error.status != NOT_FOUND:
            raise
        return {}


def _short(need: Need, quota: Json, project: str, region: str) -> Iterator[Missing]:
    try:
        limit, used = float(str(quota["limit"])), float(str(quota["usage"]))
    except (KeyError, ValueError):
        raise CloudError(
            f"an answer's quota {need.metric} has no limit and usage, so what is left is not known"
        ) from None
    if limit - used >= need.amount:
        return
    where = f"in {region}" if need.scope == "region" else "in all regions together"
    yield Missing(
        f"quota {need.metric} {where}: {need.amount} needed, {max(limit - used, 0):g} left"
        f" ({used:g} of {limit:g} are used)",
        (_ask_for(need, round(used + need.amount), project, region),),
    )


def _ask_for(need: Need, value: int, project: str, region: str) -> str:
    identity = f"{need.metric.replace('_', '-')}-per-project"
    place = ""
    if need.scope == "region":
        identity, place = f"{identity}-region", f" --dimensions=region={region}"
    return (
        f"gcloud quotas preferences create --service=compute.googleapis.com --project={project}"
        f" --quota-id={identity}{place} --preferred-value={value}"
    )


def _permissions(google: Google, project: str) -> Iterator[Missing]:
    answer = google.post("resourceManager", f"projects/{project}:testIamPermissions", {"permissions": [*ROLES]})
    held = answer.get("permissions", [])
    for permission, role in ROLES.items():
        if permission not in held:
            yield Missing(f"these credentials lack {permission} in the project", (_grant(project, role),))


def _grant(project: str, role: str) -> str:
    return f"gcloud projects add-iam-policy-binding {project} --member=user:<you> --role={role}"


def _accounts(google: Google, project: str, wanted: Wanted) -> Iterator[Missing]:
    for account in wanted.accounts:
        email = f"{account}@{project}.iam.gserviceaccount.com"
        if _is_there(google, f"projects/{project}/serviceAccounts/{email}"):
            yield Missing(
                f"service account {account} is there already: a stack of this name is up somewhere, or left it behind",
                (
                    f"shapebench janitor --project {project} --stack {wanted.stack}",
                    f"gcloud iam service-accounts delete {email} --project {project}  # if no stack uses it",
                ),
            )


def _is_there(google: Google, path: str) -> bool:
    try:
        google.get("iam", path)
    except CloudError as error:
        if error.status != NOT_FOUND:
            raise
        return False
    return True
