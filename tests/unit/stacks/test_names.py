"""Labels: valid wherever they go, and read back by whoever cleans up."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.names import COMMIT, EXPIRES, STACK, as_description, expiry, from_description, label_value, stack_labels

GOOGLE_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
KUBERNETES_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


@given(st.text(max_size=200))
def test_every_text_becomes_a_value_that_google_and_kubernetes_accept(text):
    value = label_value(text)
    assert GOOGLE_VALUE.fullmatch(value)
    assert KUBERNETES_VALUE.fullmatch(value)
    assert len(value) <= 63


@pytest.mark.parametrize("text", ["a" * 64, "a" * 62 + "-b", "-_A.b/ü_-", "", "---"])
def test_what_is_too_long_or_odd_is_cut_to_an_accepted_value(text):
    assert len(label_value(text)) <= 63
    assert KUBERNETES_VALUE.fullmatch(label_value(text))


def test_a_stack_name_and_a_commit_stay_readable():
    labels = stack_labels("8cpu-16gb", "876bcdc-dirty", "2026-11-26T02:00:00Z")
    assert labels == {STACK: "8cpu-16gb", COMMIT: "876bcdc-dirty", EXPIRES: "2026-11-26t02-00-00z"}


@given(st.datetimes())
def test_the_expiry_is_read_back_to_the_second(moment):
    said = moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    assert expiry(stack_labels("any", "any", said)) == said


@pytest.mark.parametrize("labels", [{}, {EXPIRES: ""}, {EXPIRES: "never"}, {"expires": "2026-11-26t02-00-00z"}])
def test_what_does_not_say_when_it_expires_has_no_expiry(labels):
    assert expiry(labels) is None


def test_labels_come_back_from_a_description():
    labels = stack_labels("8cpu-16gb", "876bcdc", "2026-11-26T02:00:00Z")
    assert from_description(as_description(labels)) == labels


@pytest.mark.parametrize("description", ["", "the team's network", "owner=someone", "shapebench-stacks=8"])
def test_a_description_of_somebody_else_has_no_labels_of_ours(description):
    assert from_description(description) == {}
