"""Resources that public rule lists call bad: each is refused for what it can do."""

import pytest

from policy.resource import UNKNOWN, Resource
from policy.rules import RULES
from tests.unit.policy.bad_google import BAD_GOOGLE
from tests.unit.policy.bad_kubernetes import BAD_KUBERNETES, good_pod, pods_of
from tests.unit.policy.changed import STACK, Bad, changed

BAD = BAD_GOOGLE + BAD_KUBERNETES
# Says nothing about what a resource can do.
LABELS = "labels-and-expiry"
# What only the list of kinds refuses: what these do is in a text or a chart, or in objects that the engine shows one
# by one.
ONLY_BY_KIND = {"kubernetes:helm.sh/v3:Release", "kubernetes:yaml/v2:ConfigFile"}
# Names of accounts and images come from other resources, so a preview does not always know them.
NAMES = {"member", "members", "image", "entity", "resources", "labels", "metadata"}


def refused_by(resource: Resource) -> set[str]:
    return {rule.name for rule in RULES if rule.violations(resource)} - {LABELS}


def ids(resources: tuple[Bad, ...]) -> list[str]:
    return [f"{resource.kind.rpartition(':')[2]}-{resource.bad or 'as-a-whole'}" for resource in resources]


def test_there_are_at_least_75_of_them_and_each_has_a_reason_and_a_source():
    assert len(BAD) >= 75
    assert all(bad.why and bad.source for bad in BAD)


@pytest.mark.parametrize("bad", BAD, ids=ids(BAD))
def test_a_bad_resource_is_refused(bad: Bad):
    assert refused_by(bad.resource), f"{bad.why}: {bad.source}"


@pytest.mark.parametrize("bad", BAD, ids=ids(BAD))
def test_a_bad_resource_is_refused_for_what_it_can_do_and_not_only_for_its_kind(bad: Bad):
    assert bad.kind in ONLY_BY_KIND or refused_by(bad.resource) - {"declared-kinds"}


HIDDEN = tuple(bad for bad in BAD if bad.bad and not NAMES & set(bad.bad.split(".")))


@pytest.mark.parametrize("bad", HIDDEN, ids=ids(HIDDEN))
def test_a_bad_input_that_a_preview_does_not_know_is_refused_too(bad: Bad):
    hidden = changed(bad.inputs, {bad.bad: UNKNOWN})
    assert refused_by(Resource(bad.kind, "hidden", STACK, hidden))


@pytest.mark.parametrize("kind", ["core/v1:Pod", "apps/v1:StatefulSet", "batch/v1:CronJob", "core/v1:PodTemplate"])
def test_the_pods_that_are_changed_are_good_ones(kind: str):
    good = Resource(f"kubernetes:{kind}", "good", STACK, pods_of(kind, good_pod()))
    assert refused_by(good) == {"declared-kinds"}
