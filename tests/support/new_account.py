"""The stack of 8 vCPUs that docs/gke-quick-start.md makes for a new account, as its commands set it."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import yaml

from tools.pins import ROOT

STACK = "2cpu-4gb"
_COMMAND = re.compile(rf"^pulumi config set --path shapebench:(\w+)\.(\w+) (\S+) --stack {STACK}$", re.MULTILINE)


def after_the_commands(config: Mapping[str, Any]) -> dict[str, Any]:
    """The `shapebench:*` keys of the stack's file, without the prefix, as the page's commands change them."""
    changed = copy.deepcopy(dict(config))
    commands = _COMMAND.findall((ROOT / "docs/gke-quick-start.md").read_text())
    assert commands
    for section, key, value in commands:
        changed.setdefault(section, {})[key] = yaml.safe_load(value)
    return changed
