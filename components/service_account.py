"""A Google service account of the stack's own, for one purpose."""

import hashlib
import re
from collections.abc import Mapping

import pulumi
from pulumi_gcp.serviceaccount.account import Account

from components.labels import as_description

_MAX_LENGTH = 30
_HASH_DIGITS = 6


def make_service_account(
    name: str, role: str, labels: pulumi.Input[Mapping[str, str]], opts: pulumi.ResourceOptions
) -> Account:
    """An account without any role yet; `role` says what it is for, in one word."""
    return Account(
        name,
        account_id=account_id(pulumi.get_stack(), role),
        display_name=f"shapebench {pulumi.get_stack()}: {role}",
        description=pulumi.Output.from_input(labels).apply(as_description),
        # Its name is fixed, so the old one has to go first.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
    )


def account_id(stack: str, role: str) -> str:
    """The account's name: 6 to 30 lower-case letters, digits and dashes. A long stack name ends in a hash of itself."""
    plain = f"shapebench-{stack}-{role}"
    safe = re.sub(r"[^a-z0-9-]", "-", plain.lower())
    if safe == plain and len(plain) <= _MAX_LENGTH:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{safe[: _MAX_LENGTH - _HASH_DIGITS - 1].rstrip('-')}-{digest}"
