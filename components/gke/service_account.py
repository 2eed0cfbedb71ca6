"""The Google service accounts of a stack."""

from collections.abc import Mapping

import pulumi
from pulumi_gcp.serviceaccount.account import Account

from stacks.names import account_id, as_description


def make_service_account(
    name: str, role: str, labels: pulumi.Input[Mapping[str, str]], opts: pulumi.ResourceOptions
) -> Account:
    """An account without permissions; `role` is that of stacks.names.account_id."""
    return Account(
        name,
        account_id=account_id(pulumi.get_stack(), role),
        display_name=f"shapebench {pulumi.get_stack()}: {role}",
        description=pulumi.Output.from_input(labels).apply(as_description),
        # Its ID is fixed, so the old account is deleted first.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
    )
