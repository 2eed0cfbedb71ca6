import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import formatting as text
from analysis.formatting import SHORT_ID, run_name, short_ids
from bench.stores.synthetic import make_manifest
from stacks.load.load_profiles import PROFILES


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0, "0"),
        (0.00274, "0.00274"),
        (0.1, "0.100"),
        (1.634, "1.63"),
        (97.04, "97.0"),
        (847.6, "848"),
        (1234.5, "1\N{NARROW NO-BREAK SPACE}234"),
    ],
)
def test_a_number_has_three_significant_digits_and_what_is_missing_is_a_dash(value, shown):
    assert text.number(value) == shown


@pytest.mark.parametrize(("protocol", "shown"), [("rest", "mine · rest"), ("v2-grpc", "mine · v2grpc")])
def test_a_service_whose_threads_are_not_known_has_none_in_its_name(protocol, shown):
    manifest = make_manifest(PROFILES["smoke"], stack="mine")
    serving = manifest.serving.model_copy(update={"server_args": (), "protocol": protocol})
    assert text.stack_and_serving_name(manifest.model_copy(update={"serving": serving})) == shown


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_a_number_is_within_half_a_percent_of_what_it_stands_for(value):
    shown = float(text.number(value).replace("\N{NARROW NO-BREAK SPACE}", ""))
    assert shown == pytest.approx(value, rel=0.005)


@pytest.mark.parametrize(
    ("share", "shown"), [(None, "–"), (0, "0.00"), (0.00001, "< 0.01"), (0.0034, "0.34"), (1, "100.00")]
)
def test_a_share_that_is_not_zero_never_reads_as_zero(share, shown):
    assert text.percent(share) == shown


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.0, "0.00"), (0.0123, "0.0123"), (11.152, "11.15")])
def test_money_has_cents_and_more_where_cents_say_too_little(value, shown):
    assert text.money(value) == shown


@given(st.sets(st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26), max_size=50))
def test_short_ids_are_ends_that_tell_all_runs_apart(run_ids):
    found = short_ids(run_ids)
    assert len(set(found.values())) == len(run_ids)
    assert all(run_id.endswith(found[run_id]) and len(found[run_id]) >= SHORT_ID for run_id in run_ids)


def test_ids_with_the_same_end_are_shown_with_more_of_it():
    assert short_ids(["A" * 18 + "X7KQ2M9P", "B" * 18 + "Y7KQ2M9P"]) == {
        "A" * 18 + "X7KQ2M9P": "X7KQ2M9P", "B" * 18 + "Y7KQ2M9P": "Y7KQ2M9P"
    }  # fmt: skip


def test_the_name_of_a_run_ends_with_what_show_takes():
    manifest = make_manifest(PROFILES["smoke"], run_id="01KAAAAAAA0000000000000002")
    assert run_name(manifest) == "8cpu-16gb · interop4 · 000002"
