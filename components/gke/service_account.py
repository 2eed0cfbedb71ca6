"""A Google service account of the stack's own, for one purpose."""

from collections.abc import Mapping

import pulumi
from pulumi_gcp.serviceaccount.account import Account

from stacks.names import account_id, as_description


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
