"""Checks what a GKE stack requires before it is created, and names every problem with the commands that solve it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain

from google_cloud.access import Access, NoCredentialsError, keys_for_the_provider_only
from google_cloud.auth_plugin import (
    AUTH_PLUGIN,
    INSTALL_COMMANDS,
    LOGIN,
    PluginFailedError,
    PluginMissingError,
    try_plugin,
)
from google_cloud.inventory import CloudResource, clusters, node_pools
from google_cloud.quotas import SCOPES, family_limit, not_checked, quota_id, quota_of, read_quotas, where
from google_cloud.rest import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, CloudError, GoogleClient, Json, entries
from stacks.machines.gke import RELEASE_CHANNEL
from stacks.machines.machine_series import ALL_SERIES
from stacks.machines.quota_needs import APIS, Need, added, needs
from stacks.names import label_value

# One permission for each kind of resource that a stack creates, and the narrowest predefined role that has it.
ROLES = {
    "container.clusters.create": "roles/container.admin",
    "compute.networks.create": "roles/compute.networkAdmin",
    "iam.serviceAccounts.create": "roles/iam.serviceAccountAdmin",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
    "resourcemanager.projects.setIamPolicy": "roles/resourcemanager.projectIamAdmin",
    "storage.buckets.create": "roles/storage.admin",
}


# What a grant on a bucket that exists takes.
GRANTS = ("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy")
_AS_ADMINISTRATOR = "--member=user:<you> --role=roles/storage.admin"

# A lease has full hours, and one more than it was asked for.
_CLOCK_TOLERANCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Requirements:
    """What a stack requires of Google Cloud. `accounts` are names of service accounts that must not exist yet.

    `model_bucket` is one that the stack does not create, and grants its servers.
    """

    stack: str
    zone: str
    needs: tuple[Need, ...]
    accounts: tuple[str, ...]
    model_bucket: str | None = None

    @property
    def region(self) -> str:
        return self.zone.rpartition("-")[0]


@dataclass(frozen=True)
class Problem:
    """A requirement that is not met, with the consequence in `message`, and the commands that solve it."""

    message: str
    commands: tuple[str, ...]
    skippable: bool = True
    """False for a problem that is checked even if the preflight is skipped."""


def find_problems(required: Requirements, access: Access, note: Callable[[str], None]) -> list[Problem]:
    """All requirements that are not met; raises CloudError where Google does not answer.

    `note` is told what could not be checked: each quota that Google does not list. It refuses nothing.
    """
    problems = identity_problems(access) or _plugin_problems()
    if access.project is None:
        message = "no project is set, so there is nowhere to create the stack"
        return [*problems, Problem(message, (f"pulumi config set gcp:project <project> --stack {required.stack}",))]
    try:
        google = GoogleClient(access)
        return [
            *problems,
            *_project_problems(google, access.project, required, note),
            *_bucket_problems(google, required.model_bucket),
            *_clock_problems(google),
        ]
    except NoCredentialsError as error:
        return [*problems, Problem(f"no usable Google credentials ({error}), so nothing can be created", (LOGIN,))]
    except CloudError as error:
        if error.status != UNAUTHORIZED:
            raise
        return [*problems, Problem(str(error), (LOGIN,))]


def project_number(access: Access) -> str:
    """What IAM calls the project of these credentials; raises CloudError or NoCredentialsError."""
    return str(GoogleClient(access).get("resourceManager", f"projects/{access.project}")["projectNumber"])


def _bucket_problems(google: GoogleClient, bucket: str | None) -> Iterator[Problem]:
    """A bucket of others whose grants these credentials may not change."""
    if bucket is None:
        return
    # https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
    answer = google.get("storage", f"b/{bucket}/iam/testPermissions", permissions=GRANTS)
    if missing := [permission for permission in GRANTS if permission not in answer.get("permissions", [])]:
        yield Problem(
            f"these credentials lack {' and '.join(missing)} on the bucket {bucket}, so the stack cannot let its"
            " servers read the model there; or copy the model, and set shapebench:model.path to the copy, which is"
            " uploaded",
            (f"gcloud storage buckets add-iam-policy-binding gs://{bucket} {_AS_ADMINISTRATOR}",),
        )


def _clock_problems(google: GoogleClient) -> list[Problem]:
    """A clock by which the lease would end at another time than it says."""
    ahead = datetime.now(UTC) - google.now()
    if abs(ahead) <= _CLOCK_TOLERANCE:
        return []
    minutes, side = round(abs(ahead).total_seconds() / 60), "ahead of" if ahead > timedelta(0) else "behind"
    message = (
        f"this machine's clock is {minutes} minutes {side} Google's, so the stack's lease would end at the wrong time,"
        " and the janitor could delete a stack in use; set the clock"
    )
    return [Problem(message, ("sudo timedatectl set-ntp true",))]


def identity_problems(access: Access) -> list[Problem]:
    """Settings by which the cluster would be made as one user, and deployed to as another or not at all."""
    return [
        Problem(
            f"{setting} is set, but {AUTH_PLUGIN} does not read it, so the deployment to the cluster would use other"
            " credentials than its creation, or none; unset it, and use Application Default Credentials",
            (instead,),
            skippable=False,
        )
        for setting, instead in keys_for_the_provider_only(access).items()
    ]


def _plugin_problems() -> list[Problem]:
    try:
        try_plugin()
    except PluginMissingError as error:
        return [Problem(str(error), INSTALL_COMMANDS)]
    except PluginFailedError as error:
        return [Problem(f"{AUTH_PLUGIN} gives no credential ({error}), so nothing can be deployed", (LOGIN,))]
    return []


def beyond_running_cluster(required: Requirements, access: Access) -> Requirements:
    """What is required beyond what the stack's clusters in the region have already; all of it where none is up.

    A stack that is up has its service accounts, too. Where Google does not answer, all of it is required:
    `find_problems` then reports the same error, with the command that solves it.
    """
    if access.project is None:
        return required
    try:
        of_stack = [
            cluster for cluster in clusters(GoogleClient(access), access.project) if _is_of_stack(cluster, required)
        ]
        pools = [pool for cluster in of_stack for pool in node_pools(cluster.document)]
    except (CloudError, NoCredentialsError, KeyError, TypeError, ValueError):
        return required
    return replace(required, needs=added(required.needs, needs(*pools)), accounts=()) if of_stack else required


def _is_of_stack(cluster: CloudResource, required: Requirements) -> bool:
    region = {cluster.location, cluster.location.rpartition("-")[0]}
    return cluster.stack == label_value(required.stack) and required.region in region


def problem_report(required: Requirements, access: Access, problems: Sequence[Problem]) -> str:
    """All problems as one message."""
    count = "one requirement" if len(problems) == 1 else f"{len(problems)} requirements"
    are = "is" if len(problems) == 1 else "are"
    place = f"project {access.project or '(none)'}, zone {required.zone}"
    lines = [f"nothing was created, because {count} of stack {required.stack} {are} not met in {place}:"]
    for number, problem in enumerate(problems, start=1):
        lines += [f"{number}. {problem.message}", *(f"     {command}" for command in problem.commands)]
    if all(problem.skippable for problem in problems):
        return "\n".join(
            [*lines, f"Then run it again. For an update without this check: {skip_command(required.stack)}"]
        )
    return "\n".join([*lines, "Then run it again."])


def skip_command(stack: str) -> str:
    """The command after which a stack is created without this check."""
    return f"pulumi config set --path shapebench:gke.preflight false --stack {stack}"


def _project_problems(
    google: GoogleClient, project: str, required: Requirements, note: Callable[[str], None]
) -> list[Problem]:
    try:
        disabled = _disabled_apis(google, project)
    except CloudError as error:
        if error.status not in {FORBIDDEN, NOT_FOUND}:
            raise
        message = f"project {project} does not exist, or these credentials may not see it ({error})"
        quota_project = f"gcloud auth application-default set-quota-project {project}"
        return [Problem(message, ("gcloud projects list", LOGIN, quota_project))]
    checks: dict[str, Callable[[], Iterator[Problem]]] = {
        "compute.googleapis.com": lambda: chain(
            _zone_problems(google, project, required), _quota_problems(google, project, required, note)
        ),
        "container.googleapis.com": lambda: _version_problems(google, project, required),
        "cloudresourcemanager.googleapis.com": lambda: _permission_problems(google, project),
        "iam.googleapis.com": lambda: _account_problems(google, project, required),
    }
    found: list[Problem] = []
    if disabled:
        message = (
            "these APIs are not enabled in the project, so resources of the stack cannot be created:"
            f" {', '.join(disabled)}"
        )
        found.append(Problem(message, (f"gcloud services enable {' '.join(disabled)} --project {project}",)))
    # A disabled API answers no request: it is one problem, not one for each request.
    for check in (check for api, check in checks.items() if api not in disabled):
        try:
            found += [*check()]
        except CloudError as error:
            if error.status != FORBIDDEN:
                raise
            message = f"these credentials are not allowed to read the project ({error}), so not everything was checked"
            found.append(Problem(message, (_grant(project, "roles/viewer"),)))
    return found


def _disabled_apis(google: GoogleClient, project: str) -> list[str]:
    names = [f"projects/{project}/services/{api}" for api in APIS]
    answer = google.get("serviceUsage", f"projects/{project}/services:batchGet", names=names)
    enabled = {
        str(entry.get("name")).rpartition("/")[2]
        for entry in entries(answer, "services")
        if entry.get("state") == "ENABLED"
    }
    return [api for api in APIS if api not in enabled]


def _zone_problems(google: GoogleClient, project: str, required: Requirements) -> Iterator[Problem]:
    state = (google.find("compute", f"projects/{project}/zones/{required.zone}") or {}).get("status")
    if state != "UP":
        status = "does not exist" if state is None else f"is {state}"
        yield Problem(
            f"zone {required.zone} {status}, so no node can be created in it",
            (
                f"gcloud compute zones list --project {project}",
                f"pulumi config set gcp:zone <zone> --stack {required.stack}",
            ),
        )


def _quota_problems(
    google: GoogleClient, project: str, required: Requirements, note: Callable[[str], None]
) -> Iterator[Problem]:
    for scope in SCOPES:
        listed = read_quotas(google, project, required.region, scope)
        for need in (quota_need for quota_need in required.needs if quota_need.scope == scope):
            if need.vm_family:
                yield from _family_problem(google, project, need, required.region, note)
            elif need.metric in listed:
                yield from _quota_problem(need, listed[need.metric], project, required.region)
            elif listed:  # A missing region has no quotas: its zone is a problem already.
                note(not_checked(need, project, required.region))


def _quota_problem(need: Need, document: Json, project: str, region: str) -> Iterator[Problem]:
    quota = quota_of(need.metric, document)
    if quota.left >= need.amount:
        return
    yield Problem(
        f"quota {need.metric} {where(need, region)}: {need.amount} needed, {quota.left:g} left"
        f" ({quota.used:g} of {quota.limit:g} are used), so Google would refuse a part of the stack",
        (_quota_request(need, round(quota.used + need.amount), project, region),),
    )


def _family_problem(
    google: GoogleClient, project: str, need: Need, region: str, note: Callable[[str], None]
) -> Iterator[Problem]:
    limit = family_limit(google, project, region, need)
    if limit is None:
        note(not_checked(need, project, region))
    elif limit == 0:
        yield Problem(
            f"quota {need.title} {where(need, region)} is 0, so this project gets no {need.vm_family} machine there;"
            " ask for more, or choose another machine series (shapebench:shape.machineType) or region",
            (_quota_request(need, need.amount, project, region),),
        )
    elif 0 < limit < need.amount:
        yield Problem(
            f"quota {need.title} {where(need, region)}: {need.amount} needed, and the limit is {limit}, so Google would"
            " refuse a part of the stack",
            (_quota_request(need, need.amount, project, region),),
        )


def _version_problems(google: GoogleClient, project: str, required: Requirements) -> Iterator[Problem]:
    """Machine series that GKE has only from a version on; the cluster gets the default version of its channel."""
    families = {need.vm_family for need in required.needs}
    newer = [series for series in ALL_SERIES if series.gke_version and series.vm_family in families]
    if not newer:
        return
    config = google.get("container", f"projects/{project}/locations/{required.zone}/serverConfig")
    channels = {entry.get("channel"): str(entry.get("defaultVersion")) for entry in entries(config, "channels")}
    offered = channels.get(RELEASE_CHANNEL, "")
    for series in newer:
        if offered and _version(offered) < _version(str(series.gke_version)):
            yield Problem(
                f"the channel {RELEASE_CHANNEL} has GKE {offered} in {required.zone}, but {series.title} needs"
                f" {series.gke_version} or later, so GKE would refuse its nodes; choose another machine series or zone",
                (f"gcloud container get-server-config --zone {required.zone} --project {project}",),
            )


def _version(text: str) -> tuple[int, ...]:
    """The numbers in a version of GKE, such as 1.34.1-gke.2037000."""
    return tuple(map(int, re.findall(r"\d+", text)))


def _quota_request(need: Need, value: int, project: str, region: str) -> str:
    family = f",vm_family={need.vm_family}" if need.vm_family else ""
    place = f" --dimensions=region={region}{family}" if need.scope == "region" else ""
    return (
        f"gcloud quotas preferences create --service=compute.googleapis.com --project={project}"
        f" --quota-id={quota_id(need)}{place} --preferred-value={value}"
    )


def _permission_problems(google: GoogleClient, project: str) -> Iterator[Problem]:
    answer = google.post("resourceManager", f"projects/{project}:testIamPermissions", {"permissions": [*ROLES]})
    granted = answer.get("permissions", [])
    for permission, role in ROLES.items():
        if permission not in granted:
            yield Problem(
                f"these credentials lack the permission {permission}, so Google would refuse a part of the stack",
                (_grant(project, role),),
            )


def _grant(project: str, role: str) -> str:
    return f"gcloud projects add-iam-policy-binding {project} --member=user:<you> --role={role}"


def _account_problems(google: GoogleClient, project: str, required: Requirements) -> Iterator[Problem]:
    for account in required.accounts:
        email = f"{account}@{project}.iam.gserviceaccount.com"
        if google.find("iam", f"projects/{project}/serviceAccounts/{email}") is not None:
            yield Problem(
                f"service account {account} exists already: another stack of this name is up, or left it behind",
                (
                    f"shapebench janitor --project {project} --stack {required.stack}",
                    f"gcloud iam service-accounts delete {email} --project {project}  # if no stack uses it",
                ),
            )
