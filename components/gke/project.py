"""Finds out that a stack has no Google Cloud project, before the provider refuses its resources one by one."""

from collections.abc import Mapping

from google_cloud.access import access_of


def why_there_is_no_project(stack: str, google: Mapping[str, str]) -> str | None:
    """Why the stack is refused; None where `gcp:project` or a variable of the provider names a project.

    `google` are the stack's `gcp:*` keys.
    """
    if access_of(google).project:
        return None
    return (
        f"gcp:project is not set, so there is nowhere to create the stack {stack}; run `pulumi config set gcp:project"
        f" PROJECT --stack {stack}`. A preview needs no project that exists, so any name will do:"
        f" `GOOGLE_PROJECT=any-name GOOGLE_OAUTH_ACCESS_TOKEN=none pulumi preview --stack {stack}`"
    )
