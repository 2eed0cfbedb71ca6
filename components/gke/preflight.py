"""Preflight: whether Google Cloud has what the stack needs, asked before the first thing is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class PreflightArgs:
    """What is to be made, where and as whom; and whether to ask at all."""

    stack: str
    zone: str
    project: str | None
    """None for the one that the environment names."""
    google: pulumi.Input[Mapping[str, str]]
    """The stack's `gcp:*` keys; secret, for a token may be among them."""
    needs: Sequence[Mapping[str, str | int]]
    """stacks.quota_needs.Need, each as a mapping."""
    accounts: Sequence[str]
    costs: str
    """The sentence that says what it costs."""
    ask: bool


class Preflight(PluginResource):
    """Fails where something is missing. Whatever Google is to make comes after it."""

    def __init__(self, name: str, args: PreflightArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:gke:Preflight", name, args, opts)
