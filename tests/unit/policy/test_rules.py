from collections.abc import Iterator
from typing import Any

import pytest

from policy.resource import UNKNOWN, Resource
from policy.rule import Rule
from policy.rules import RULES
from tests.support.policy_fixtures import Fixture, fixtures, names

BY_NAME = {rule.name: rule for rule in RULES}


def cases(colour: str) -> list[Any]:
    return [
        pytest.param(rule, fixture, id=fixture.resource.name)
        for rule in RULES
        for fixture in fixtures(rule.name, colour)
    ]


def test_there_are_twelve_rules_and_each_has_its_fixtures():
    assert len(BY_NAME) == len(RULES) == 12
    assert names() == BY_NAME.keys()
    assert all(fixtures(name, "green") and fixtures(name, "red") for name in BY_NAME)


@pytest.mark.parametrize(("rule", "fixture"), cases("green"))
def test_a_green_resource_keeps_its_rule(rule: Rule, fixture: Fixture):
    assert rule.violations(fixture.resource) == []


@pytest.mark.parametrize(("rule", "fixture"), cases("red"))
def test_a_red_resource_breaks_its_rule_with_a_message_that_names_it_and_the_problem(rule: Rule, fixture: Fixture):
    (message,) = rule.violations(fixture.resource)
    assert message.startswith(f"{fixture.resource.type_name} {fixture.resource.name}: ")
    assert fixture.says is not None
    assert fixture.says in message
    # What follows, and the mend, in one sentence each.
    assert ", so " in message or ", which " in message or ", where " in message
    assert "; " in message


@pytest.mark.parametrize(("rule", "fixture"), cases("green"))
def test_an_unknown_input_breaks_no_rule(rule: Rule, fixture: Fixture):
    resource = fixture.resource
    for inputs in with_one_unknown(resource.inputs):
        assert rule.violations(Resource(resource.kind, resource.name, resource.stack, inputs)) == []


def test_a_pool_whose_scaling_is_not_known_yet_is_not_called_autoscaled():
    inputs = {"nodeCount": 2, "autoscaling": UNKNOWN, "nodeConfig": {"labels": {"shapebench/pool": "serving"}}}
    pool = Resource("gcp:container/nodePool:NodePool", "pool", "8cpu-16gb", inputs)
    assert BY_NAME["fixed-serving-pool"].violations(pool) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_fails_on_resources_of_other_kinds(rule: Rule):
    for each in BY_NAME:
        for colour in ("green", "red"):
            for fixture in fixtures(each, colour):
                rule.violations(fixture.resource)


def with_one_unknown(value: Any) -> Iterator[Any]:
    """The same with one part of it not known yet, for each of its parts."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield value | {key: UNKNOWN}
            for changed in with_one_unknown(member):
                yield value | {key: changed}
    if isinstance(value, list):
        for index, member in enumerate(value):
            for changed in (UNKNOWN, *with_one_unknown(member)):
                yield [*value[:index], changed, *value[index + 1 :]]
