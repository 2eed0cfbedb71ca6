"""docs/pull-requests.md: the set-up's commands are run with stand-ins of gcloud and gh, and tokens of GitHub sign in.

The tokens' claims: https://docs.github.com/en/actions/reference/security/oidc. Their `sub` has two forms: repositories
created or renamed since mid-2026 have ids in it (GitHub's changelog of 2026-04-23). How Google evaluates a token, and
its 127 bytes for `google.subject`: docs/google-cloud-facts.md.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import yaml

from tests.support.scripts import write_script
from tools.pins import ROOT

REPOSITORY_ID, OWNER_ID = "811223344", "1342004"
PREVIEW, MEASURE = (f"shapebench-{name}@acme-lab.iam.gserviceaccount.com" for name in ("preview", "measure"))
# Each call as one line, its arguments separated by tabs.
_RECORD = """printf '%s\\t' "${0##*/}" "$@" >> "$CALLS"; printf '\\n' >> "$CALLS"\n"""
_SUBJECT_LIMIT_BYTES = 127

Subject = Literal["names", "ids"]


@dataclass(frozen=True)
class SignIn:
    """What the set-up makes: the provider, and by service account the members that may act as it."""

    mapping: Mapping[str, str]
    condition: str
    members: Mapping[str, frozenset[str]]

    def mapped(self, token: Mapping[str, str]) -> dict[str, str]:
        return {attribute: str(value_of(expression, token)) for attribute, expression in self.mapping.items()}

    def accounts(self, token: Mapping[str, str]) -> set[str]:
        """The accounts that a job with this token may act as."""
        if not value_of(self.condition, token):
            return set()
        mapped = self.mapped(token)
        own = {f"subject/{mapped['google.subject']}", *(f"{name}/{value}" for name, value in mapped.items())}
        return {
            account
            for account, members in self.members.items()
            if any(member.partition("/workloadIdentityPools/github/")[2] in own for member in members)
        }


def value_of(expression: str, claims: Mapping[str, str]) -> Any:
    """The value of a CEL expression of `+`, `==`, `&&` and `has(assertion.…) ? … : …`. A missing claim is an error."""
    python = re.sub(r"has\(assertion\.(\w+)\) \? (.+?) : ('[^']*')", r"(\2 if '\1' in assertion else \3)", expression)
    python = re.sub(r"assertion\.(\w+)", r"assertion['\1']", python).replace("&&", "and")
    return eval(python, {"__builtins__": {}}, {"assertion": claims})


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """All calls of gcloud, gh and pulumi by the set-up's commands."""
    folder = tmp_path_factory.mktemp("set-up")
    numbers = f'case "$*" in *owner*) echo {OWNER_ID};; *) echo {REPOSITORY_ID};; esac'
    write_script(folder / "gcloud", f'{_RECORD}[ "$1" != projects ] || echo 9876543210')
    write_script(folder / "gh", f'{_RECORD}[ "$1" != api ] || {numbers}')
    write_script(folder / "pulumi", _RECORD)
    _, _, section = (ROOT / "docs/pull-requests.md").read_text().partition("\n## Set-up\n")
    section, _, _ = section.partition("\n## ")
    commands = "\n".join(line.strip() for line in section.splitlines() if line.startswith("    "))
    variables = {"PATH": f"{folder}:/usr/bin:/bin", "CALLS": str(folder / "calls")}
    subprocess.run(["/bin/sh", "-eu", "-c", commands], env=variables, check=True, capture_output=True, text=True)
    return [line.rstrip("\t").split("\t") for line in (folder / "calls").read_text().splitlines()]


def option(call: list[str], name: str) -> str:
    (value,) = (each.partition("=")[2] for each in call if each.startswith(f"--{name}="))
    return value


@pytest.fixture(scope="module")
def sign_in(calls: list[list[str]]) -> SignIn:
    (provider,) = (call for call in calls if "create-oidc" in call)
    members: dict[str, set[str]] = {}
    for call in calls:
        if call[:4] == ["gcloud", "iam", "service-accounts", "add-iam-policy-binding"]:
            assert option(call, "role") == "roles/iam.workloadIdentityUser"
            members.setdefault(call[4], set()).add(option(call, "member"))
    return SignIn(
        dict(each.split("=", 1) for each in option(provider, "attribute-mapping").split(",")),
        option(provider, "attribute-condition"),
        {account: frozenset(allowed) for account, allowed in members.items()},
    )


def token(
    subject: Subject,
    environment: str = "",
    event: str = "pull_request",
    owner: str = "acme",
    name: str = "shapebench",
    repository_id: str = REPOSITORY_ID,
) -> dict[str, str]:
    """The claims of a job's token; `sub` has names only, or ids as well."""
    repository = f"{owner}@{OWNER_ID}/{name}@{repository_id}" if subject == "ids" else f"{owner}/{name}"
    place = f"environment:{environment}" if environment else event if event == "pull_request" else "ref:refs/heads/main"
    claims = {
        "sub": f"repo:{repository}:{place}",
        "repository": f"{owner}/{name}",
        "repository_id": repository_id,
        "repository_owner": owner,
        "repository_owner_id": OWNER_ID,
        "event_name": event,
        "run_id": "17354982345",
    }
    return claims | ({"environment": environment} if environment else {})


@pytest.mark.parametrize("subject", ["names", "ids"])
def test_jobs_of_old_and_new_repositories_sign_in_as_the_account_of_their_workflow(sign_in: SignIn, subject: Subject):
    assert sign_in.accounts(token(subject)) == {PREVIEW}
    for environment in ("measure", "clean-up"):
        assert MEASURE in sign_in.accounts(token(subject, environment, "workflow_dispatch"))


@pytest.mark.parametrize("subject", ["names", "ids"])
def test_only_the_two_environments_sign_in_as_the_account_that_creates_clusters(sign_in: SignIn, subject: Subject):
    for environment, event in (("", "push"), ("", "workflow_dispatch"), ("staging", "push"), ("", "measure")):
        assert MEASURE not in sign_in.accounts(token(subject, environment, event))


@pytest.mark.parametrize("subject", ["names", "ids"])
@pytest.mark.parametrize("environment", ["", "measure"])
def test_another_repository_of_the_same_name_does_not_sign_in(sign_in: SignIn, subject: Subject, environment: str):
    assert sign_in.accounts(token(subject, environment, repository_id="900000001")) == set()


def test_a_renamed_repository_still_signs_in(sign_in: SignIn):
    assert sign_in.accounts(token("ids", owner="umbrella", name="shapes")) == {PREVIEW}


def test_the_subject_fits_for_the_longest_names(sign_in: SignIn):
    # GitHub allows 39 characters for an owner, 100 for a repository and 255 for an environment.
    longest = token("ids", "e" * 255, owner="o" * 39, name="n" * 100)
    assert len(sign_in.mapped(longest)["google.subject"].encode()) <= _SUBJECT_LIMIT_BYTES


def test_every_claim_of_the_condition_and_every_attribute_of_a_grant_is_mapped(sign_in: SignIn):
    claims = re.findall(r"assertion\.(\w+)", sign_in.condition)
    assert set(claims) == {"repository_id", "repository_owner_id"}
    for claim in claims:
        assert sign_in.mapping[f"attribute.{claim}"] == f"assertion.{claim}"
    for member in frozenset[str]().union(*sign_in.members.values()):
        kind, attribute = re.fullmatch(
            r"(principalSet)://iam\.googleapis\.com/projects/9876543210/locations/global/workloadIdentityPools/github/"
            r"(attribute\.\w+)/.+",
            member,
        ).groups()  # type: ignore[union-attr]
        assert kind == "principalSet"
        assert attribute in sign_in.mapping


def test_the_environments_of_the_workflows_are_those_that_may_sign_in(sign_in: SignIn):
    jobs = [
        job
        for path in sorted((ROOT / ".github/workflows").glob("*.yml"))
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        if "vars.MEASURE_SERVICE_ACCOUNT" in str(job)
    ]
    assert (
        {job["environment"] for job in jobs}
        == {member.rpartition(":")[2] for member in sign_in.members[MEASURE]}
        == {"measure", "measure-pull-request", "clean-up"}
    )


def test_the_variables_name_what_was_created(calls: list[list[str]], sign_in: SignIn):
    variables = {call[3]: call[5] for call in calls if call[:3] == ["gh", "variable", "set"]}
    created = {call[4] for call in calls if call[1:4] == ["iam", "service-accounts", "create"]}
    assert {f"{name}@acme-lab.iam.gserviceaccount.com" for name in created} == sign_in.members.keys()
    assert (variables["PREVIEW_SERVICE_ACCOUNT"], variables["MEASURE_SERVICE_ACCOUNT"]) == (PREVIEW, MEASURE)
    assert variables["WORKLOAD_IDENTITY_PROVIDER"] == (
        "projects/9876543210/locations/global/workloadIdentityPools/github/providers/shapebench"
    )
