"""What is read as a manifest: its own text, in plain text, with the digests that its version wrote."""

import json
from hashlib import sha256

import pytest

from analysis.results.schema.manifest import SearchedCapacity, Validity
from analysis.results.schema.manifest_file import ManifestFileError, manifest_of, manifest_text
from bench.stores.synthetic import make_manifest, make_search
from stacks.load.load_profiles import PROFILES

MANIFEST, _ = make_search(60)


def foreign(**changes):
    """The text of a manifest with these values by path, and with a digest of its own."""
    content = json.loads(manifest_text(MANIFEST))
    del content["sha256"]
    for path, value in changes.items():
        *above, key = path.split("__")
        at = content
        for each in above:
            at = at[int(each) if isinstance(at, list) else each]
        at[key] = value
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps(content | {"sha256": sha256(canonical.encode()).hexdigest()}).encode()


def test_a_manifest_that_another_program_wrote_is_read():
    assert manifest_of(foreign(cost__region="europe-west3"))[1]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cost__currency": "US\x1bD"}, "cost.currency: the text has control characters, or more than one line"),
        ({"cost__currency": "dollars"}, "cost.currency: String should match"),
        ({"cost__line_items__0__name": "vCPUs\x00"}, "cost.line_items.name: the text has control characters"),
        ({"validity__reasons": ["a\nskipped: nothing"]}, "validity.reasons: the text has control characters"),
        ({"stack": "8cpu-16gb\u202e"}, "stack: the text has control characters"),
        ({"software": {"a\nb": "1"}}, "software: the text has control characters"),
        ({"shape__name": "\u2028"}, "shape.name: the text has control characters"),
        ({"shape__name": "\ud800"}, "shape.name: the text has control characters"),
        ({"shape__name": "\uffff"}, "shape.name: the text has control characters"),
        ({"capacity__steps": []}, "none of its steps is near its capacity"),
        ({"cost__hourly": 1e300}, "cost.hourly"),
        ({"cost__hourly": float("nan")}, "NaN is not a number"),
        ({"shape__nodes": 10**30}, "shape.nodes"),
        ({"started_at": "2026-11-20T09:30:00"}, "started_at: Input should have timezone info"),
        ({"started_at": "9999-12-31T23:59:59Z"}, "started_at"),
    ],
)
def test_values_that_no_run_has_are_refused_with_their_key_in_one_line(changes, why):
    with pytest.raises(ManifestFileError) as failure:
        manifest_of(foreign(**changes))
    assert why in str(failure.value)
    assert str(failure.value).isprintable()


@pytest.mark.parametrize("text", [b"[]", b"null", b'"a"', b"[" * 950 + b"]" * 950, b"\xff\xfe", b"1e999"])
def test_other_json_is_no_manifest(text):
    with pytest.raises(ManifestFileError):
        manifest_of(text)


def test_a_log_that_a_reason_quotes_is_stored_in_plain_text():
    reason = "the load generator crashed; the end of its log: \x1b[31mMemoryError\x1b[0m\n"
    manifest = make_manifest(PROFILES["smoke"], validity=Validity(verdict="invalid", reasons=(reason,)))
    read, whole = manifest_of(manifest_text(manifest).encode())
    assert whole
    [reason] = read.validity.reasons
    assert reason.endswith("the end of its log: \ufffd[31mMemoryError\ufffd[0m")


def stripped(*keys, **changes):
    content = json.loads(manifest_text(MANIFEST)) | changes
    for key in keys:
        del content[key]
    return manifest_of(json.dumps(content).encode())


def test_without_its_digest_a_manifest_is_whole_only_if_its_version_wrote_none():
    assert not stripped("sha256")[1]
    assert not stripped("sha256", "files")[1]
    assert not stripped("sha256", "files", schema_version=1)[1], "deployments were recorded after digests were"
    assert stripped("sha256", "files", "deployment", schema_version=1)[1]


def test_a_search_without_a_usable_step_is_refused_where_it_is_made():
    found = json.loads(manifest_text(MANIFEST))["capacity"] | {"steps": []}
    with pytest.raises(ValueError, match="none of its steps is near its capacity"):
        SearchedCapacity.model_validate(found)
