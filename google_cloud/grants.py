"""What a project grants to service accounts: read from its policy, and taken from one account alone."""

import re
from collections.abc import Iterator

from google_cloud.rest import Google, Json, entries

# So Google shows an account that is gone: https://cloud.google.com/iam/docs/troubleshoot-policies
_GONE = r"deleted:serviceAccount:shapebench-[a-z0-9-]+@{}\.iam\.gserviceaccount\.com\?uid=\d+"

# Below it, a policy is shown without its conditions, and written so it would lose them.
_WITH_CONDITIONS = 3


def grants_to_the_gone(google: Google, project: str) -> Iterator[tuple[str, str, Json]]:
    """Member, role and binding of every grant to an account that was named as ours are, and is gone."""
    gone = re.compile(_GONE.format(re.escape(project)))
    for binding in entries(_policy(google, project), "bindings"):
        for member in binding.get("members", ()):
            if gone.fullmatch(str(member)):
                yield str(member), str(binding.get("role")), binding


def take_back(google: Google, project: str, email: str) -> None:
    """Take from this account whatever the project grants it; nothing is written where that is nothing.

    The policy carries a mark of its version, by which Google refuses what would undo somebody else's change.
    """
    policy, member = _policy(google, project), f"serviceAccount:{email}"
    bindings = entries(policy, "bindings")
    if not any(member in binding.get("members", ()) for binding in bindings):
        return
    kept = [binding | {"members": [each for each in binding["members"] if each != member]} for binding in bindings]
    policy |= {"bindings": [binding for binding in kept if binding["members"]], "version": _WITH_CONDITIONS}
    google.post("resourceManager", f"projects/{project}:setIamPolicy", {"policy": policy})


def _policy(google: Google, project: str) -> Json:
    options = {"options": {"requestedPolicyVersion": _WITH_CONDITIONS}}
    return google.post("resourceManager", f"projects/{project}:getIamPolicy", options)
