from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.resource import UNKNOWN, Resource, entries
from policy.rule import Rule
from policy.rules import RULES
from tests.support.policy_fixtures import Fixture, fixtures, names

BY_NAME = {rule.name: rule for rule in RULES}


def keys_of(value: Any) -> set[str]:
    """Every key within, at any depth."""
    return {key for key, _ in entries(value)}


def cases(colour: str) -> list[Any]:
    return [
        pytest.param(rule, fixture, id=fixture.resource.name)
        for rule in RULES
        for fixture in fixtures(rule.name, colour)
    ]


def test_there_are_thirteen_rules_and_each_has_its_fixtures():
    assert len(BY_NAME) == len(RULES) == 13
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
    # What follows, and the fix, in one sentence each.
    assert ", so " in message or ", which " in message or ", where " in message
    assert "; " in message


def test_a_switch_that_is_not_known_yet_breaks_its_rule():
    inputs = {"nodeCount": 2, "autoscaling": UNKNOWN, "nodeConfig": {"labels": {"shapebench/pool": "serving"}}}
    pool = Resource("gcp:container/nodePool:NodePool", "pool", "8cpu-16gb", inputs)
    (message,) = BY_NAME["fixed-serving-pool"].violations(pool)
    assert message.startswith("NodePool pool: its autoscaling is not known yet, so the number of serving nodes may")


KINDS = sorted(
    {fixture.resource.kind for name in BY_NAME for fixture in [*fixtures(name, "green"), *fixtures(name, "red")]}
)
KEYS = sorted({*keys_of([fixture.resource.inputs for name in BY_NAME for fixture in fixtures(name, "red")]), "items"})
VALUES = st.recursive(
    st.sampled_from([UNKNOWN, None, True, False, 0, 1.5, "", "allUsers", "roles/owner", "{", "INTERNAL"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_no_rule_fails_whatever_the_inputs_are(kind: str, inputs: dict[str, Any]):
    for rule in RULES:
        rule.violations(Resource(kind, "any", "8cpu-16gb", inputs))


@pytest.mark.parametrize(("rule", "fixture"), [*cases("green"), *cases("red")])
def test_no_rule_fails_if_any_one_input_is_not_known_yet(rule: Rule, fixture: Fixture):
    resource = fixture.resource
    for inputs in with_one_unknown(resource.inputs):
        assert all(isinstance(violation, str) for violation in rule.violations(replace(resource, inputs=inputs)))


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
