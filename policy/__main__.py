"""The policy pack that the engine starts: all rules, each mandatory.

The engine runs this folder in an environment of its own, with Pulumi's policy SDK and the packages that stacks/ needs.
The checkout is put on the path, so that rules read the same facts as the program.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policy.resource import UNKNOWN, Resource
from policy.rule import Rule
from policy.rules import RULES


def policy_of(rule: Rule) -> ResourceValidationPolicy:
    """A rule as a policy of the SDK."""

    def validate(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        stack = args.urn.split("::")[0].removeprefix("urn:pulumi:")
        inputs = {key: _member(args.props, key) for key in args.props}
        for message in rule.violations(Resource(args.resource_type, args.name, stack, inputs)):
            report_violation(message)

    return ResourceValidationPolicy(name=rule.name, description=rule.description, validate=validate)


def _known(value: object) -> object:
    """The value with plain values inside. The SDK raises on unknown values, which would skip the whole rule."""
    if isinstance(value, Mapping):
        return {key: _member(value, key) for key in value}
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return value
    return [_member(value, index) for index in range(len(value))]


def _member(container: Any, key: str | int) -> object:  # noqa: ANN401 - one of the SDK's untyped proxies
    try:
        return _known(container[key])
    except UnknownValueError:
        return UNKNOWN


if __name__ == "__main__":
    PolicyPack(name="shapebench", enforcement_level=EnforcementLevel.MANDATORY, policies=[*map(policy_of, RULES)])
