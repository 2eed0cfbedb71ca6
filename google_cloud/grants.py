"""Roles that a project's IAM policy grants to service accounts: reads them, and removes those of one account."""

import re
from collections.abc import Iterator

from google_cloud.rest import GoogleClient, Json, entries

# How Google shows a deleted account: https://cloud.google.com/iam/docs/troubleshoot-policies
_DELETED = r"deleted:serviceAccount:shapebench-[a-z0-9-]+@{}\.iam\.gserviceaccount\.com\?uid=\d+"

# The policy version with conditions. A lower one omits them, and writing it back would delete them.
_WITH_CONDITIONS = 3


def grants_to_deleted_accounts(google: GoogleClient, project: str) -> Iterator[tuple[str, str, Json]]:
    """Member, role and binding of every grant to a deleted account with a name of the form that stacks use."""
    deleted = re.compile(_DELETED.format(re.escape(project)))
    for binding in entries(_policy(google, project), "bindings"):
        for member in binding.get("members", ()):
            if deleted.fullmatch(str(member)):
                yield str(member), str(binding.get("role")), binding


def remove_grants(google: GoogleClient, project: str, email: str) -> None:
    """Remove every role that the project grants this account; writes nothing where there is none.

    The policy carries an etag, so Google refuses a write that would undo a concurrent change.
    """
    policy, member = _policy(google, project), f"serviceAccount:{email}"
    bindings = entries(policy, "bindings")
    if not any(member in binding.get("members", ()) for binding in bindings):
        return
    kept = [binding | {"members": [each for each in binding["members"] if each != member]} for binding in bindings]
    policy |= {"bindings": [binding for binding in kept if binding["members"]], "version": _WITH_CONDITIONS}
    google.post("resourceManager", f"projects/{project}:setIamPolicy", {"policy": policy})


def _policy(google: GoogleClient, project: str) -> Json:
    options = {"options": {"requestedPolicyVersion": _WITH_CONDITIONS}}
    return google.post("resourceManager", f"projects/{project}:getIamPolicy", options)
