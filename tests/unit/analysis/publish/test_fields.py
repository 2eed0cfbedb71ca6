"""Which fields of a manifest are published."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from analysis.comparability import CONDITIONS
from analysis.publish.fields import MANIFEST, public_manifest
from analysis.publish.pseudonyms import Pseudonyms
from analysis.results.schema.manifest import Manifest, Record
from analysis.verdict.machines import machine_sets
from bench.stores.synthetic import make_manifest
from stacks.load.load_profiles import PROFILES
from tests.unit.analysis.publish.contributed import LEAK, searched, whole

# Of every other field of a manifest it is decided that it is published, as it is or as a pseudonym.
NOT_PUBLISHED = {
    "cost.line_items.source",
    "files",
    "key",
    "shape.name",
}


def paths(schema: Any, definitions: Any, key: str = "") -> set[str]:
    """The keys of a JSON schema that hold a value, and those of objects without fields of their own."""
    if schema.get("type") == "null":
        return set()
    if "$ref" in schema:
        return paths(definitions[schema["$ref"].rpartition("/")[2]], definitions, key)
    below = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *filter(None, [schema.get("items")])]
    found = set().union(*(paths(each, definitions, key) for each in below))
    for name, part in schema.get("properties", {}).items():
        found |= paths(part, definitions, f"{key}.{name}".lstrip("."))
    return found or {key}


def published_paths(fields: Any, key: str = "") -> set[str]:
    if callable(fields) or not fields:
        return {key}
    return set().union(*(published_paths(part, f"{key}.{name}".lstrip(".")) for name, part in fields.items()))


def test_of_every_field_of_a_manifest_it_is_decided_whether_it_is_published() -> None:
    schema = Manifest.model_json_schema(by_alias=False, mode="validation")
    every = paths(schema, schema["$defs"])
    published = {key for key in published_paths(MANIFEST) if not key.startswith("software.")} | {"software"}
    undecided = {key for key in every - published if not key.startswith(tuple(NOT_PUBLISHED))}
    assert undecided == set(), "name each in analysis/publish/fields.py, or above where it is not to be published"
    assert published - every == set()


class _Node(Record):
    owner: str = f"{LEAK}-owner"


class _Later(Manifest):
    """A manifest of a later version, whose new fields nobody has named yet."""

    contact: str = f"{LEAK}-contact"
    nodes: tuple[_Node, ...] = (_Node(),)


def test_a_field_of_a_later_version_is_not_published_until_it_is_named() -> None:
    later = _Later.model_validate(dict(searched(1)[0]))
    assert LEAK in later.model_dump_json()
    assert LEAK not in public_manifest(later, Pseudonyms()).model_dump_json()


def test_an_object_in_the_place_of_a_value_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = searched(1)[0]
    content = json.loads(manifest.model_dump_json()) | {"seed": {"of": LEAK}}
    monkeypatch.setattr(BaseModel, "model_dump_json", lambda _: json.dumps(content))
    assert public_manifest(manifest, Pseudonyms()).seed is None


def test_runs_share_a_node_a_machine_and_a_deployment_as_before() -> None:
    pseudonyms = Pseudonyms()
    runs = [searched(1)[0], searched(2)[0], searched(3, cluster="other", deployment=f"d{1:011x}")[0]]
    public = [public_manifest(run, pseudonyms) for run in runs]
    before, after = machine_sets(runs), machine_sets(public)
    same = [[sets[one.run_id] == sets[other.run_id] for one in runs for other in runs] for sets in (before, after)]
    assert same[0] == same[1]
    assert len(set(after.values())) == 2
    assert public[0].deployment == public[2].deployment != public[1].deployment
    assert public[0].other_cpu is not None
    assert public[0].other_cpu.node == public[0].replicas[0].node == "node-1"
    assert public[0].generator.nodes[0] == public[0].generator.machine.node  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("image", "published"),
    [
        ("tensorflow/serving:2.20.0", "tensorflow/serving:2.20.0"),
        (f"docker.io/tensorflow/serving@sha256:{'a' * 64}", f"docker.io/tensorflow/serving@sha256:{'a' * 64}"),
        (f"registry.acme.example/tensorflow/serving:2.20.0@sha256:{'a' * 64}", f"image-1@sha256:{'a' * 64}"),
        ("europe-docker.pkg.dev/acme-project/repo/serving:2.20.0", "image-1"),
        ("tensorflow/serving:built-by-acme", "image-1"),
        (f"tensorflow/serving:built-by-acme@sha256:{'a' * 64}", f"image-1@sha256:{'a' * 64}"),
        (
            f"acme/a@sha256:{'a' * 64}, acme/b@sha256:{'b' * 64}",
            f"image-1@sha256:{'a' * 64}, image-2@sha256:{'b' * 64}",
        ),
    ],
)
def test_a_public_image_keeps_its_name_and_another_one_its_digest(image: str, published: str) -> None:
    run = make_manifest(PROFILES["smoke"])
    run = run.model_copy(update={"serving": run.serving.model_copy(update={"image": image})})
    assert public_manifest(run, Pseudonyms()).serving.image == published


def test_conditions_that_differ_still_differ_and_those_that_do_not_still_do_not() -> None:
    pseudonyms = Pseudonyms()
    one = whole(1)
    changes = [{}, {"server": "acme"}, {"server": "other"}, {"server_version": "2.20.0-acme"}, {"image": "acme/a:1"}]
    runs = [one.model_copy(update={"serving": one.serving.model_copy(update=change)}) for change in changes]
    public = [public_manifest(run, pseudonyms) for run in runs]
    for condition in CONDITIONS:
        before, after = (list(map(condition.value, each)) for each in (runs, public))
        assert [before.index(value) for value in before] == [after.index(value) for value in after], condition.name


def test_of_a_reason_only_that_there_is_one_is_published() -> None:
    public = public_manifest(whole(1), Pseudonyms())
    assert public.capacity is not None
    reasons = public.capacity.imprecise_because, public.cost.line_items[0].reason
    assert reasons == ("the reason is not published",) * 2
    assert public.cost.line_items[1].reason is None


def test_a_version_is_published_without_what_was_added_to_it() -> None:
    run = make_manifest(
        PROFILES["smoke"], software={"linux": "6.8.0-acme-laptop", "tensorflow": "2.21.0+acme", "acme": "1.0"}
    )
    assert public_manifest(run, Pseudonyms()).software == {"linux": "6.8.0", "tensorflow": "2.21.0"}


def test_generated_requests_are_published_unless_they_have_values_of_the_stack_file() -> None:
    run = make_manifest(PROFILES["smoke"])

    def published(requests: str) -> str | None:
        model = run.serving.model.model_copy(update={"requests": requests, "weights": "own"})
        sent = run.model_copy(update={"serving": run.serving.model_copy(update={"model": model})})
        return public_manifest(sent, Pseudonyms()).serving.model.requests

    for public in (
        "serving_default ids int64 [1, 128] from 0 to 30000; serving_default text string [1] of sentences",
        f"serving_default, 12 recorded requests, sha256 {'a' * 64}",
    ):
        assert published(public) == public
    assert published("serving_default text string [1] of 'our customer'") == "request list-1"
