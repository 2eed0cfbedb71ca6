"""Preflight: checks quotas, APIs and permissions before anything is created."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class PreflightArgs:
    """What the stack will create, where, and with which credentials."""

    stack: str
    zone: str
    project: str | None
    """None for the project of the environment."""
    google: pulumi.Input[Mapping[str, str]]
    """The stack's `gcp:*` keys; secret, because one may be a token."""
    needs: Sequence[Mapping[str, str | int]]
    """stacks.machines.quota_needs.Need, each as a mapping."""
    accounts: Sequence[str]
    costs: str
    """The sentence about the hourly price."""
    model_bucket: str | None
    """The bucket that the model is read from in place, which the stack grants its servers."""
    ask: bool
    """False skips the check."""


class Preflight(PluginResource[PreflightArgs]):
    """Fails where something is missing. Every Google Cloud resource of the stack is created after it."""

    pulumi_type = "shapebench:gke:Preflight"

    project_number: pulumi.Output[str]
    """Only with a `model_bucket`, whose grant needs it."""
