"""A lease is fixed once created, so a later preview shows no change; new hours or its end renew it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.resource import Operation
from provider.resources.lease import Lease

MADE = datetime(2026, 11, 25, 1, 10, 7, tzinfo=UTC)
NOTHING = Operation(info=print, status=print)


def lease_at(moment: datetime) -> Lease:
    return Lease(lambda: moment)


@pytest.fixture
def state():
    return lease_at(MADE).create({"hours": 24}, NOTHING)


def test_a_lease_is_in_full_hours_and_no_shorter_than_asked_for(state):
    assert (state["startsAt"], state["expiresAt"]) == ("2026-11-25T01:00:00Z", "2026-11-26T02:00:00Z")


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1)), st.integers(1, 336))  # noqa: DTZ001
def test_no_lease_ends_early(moment, hours):
    made = lease_at(moment).create({"hours": hours}, NOTHING)
    left = datetime.fromisoformat(made["expiresAt"]) - moment
    assert timedelta(hours=hours) < left <= timedelta(hours=hours + 1)


@pytest.mark.parametrize("later_h", [0, 1, 24])
def test_while_it_lasts_nothing_has_changed(state, later_h):
    assert lease_at(MADE + timedelta(hours=later_h)).changed(state, {"hours": 24}) == []


def test_another_number_of_hours_renews_it(state):
    later = MADE + timedelta(hours=5)
    assert lease_at(later).changed(state, {"hours": 48}) == ["hours"]
    renewed = lease_at(later).update(state, {"hours": 48}, NOTHING)
    assert renewed["expiresAt"] == "2026-11-27T07:00:00Z"


def test_an_update_after_it_expired_renews_it(state):
    assert lease_at(MADE + timedelta(hours=25)).changed(state, {"hours": 24}) == ["expiresAt"]


def test_a_preview_shows_what_an_update_in_the_same_hour_would_write(state):
    assert lease_at(MADE + timedelta(minutes=40)).preview({"hours": 24}) == state


def test_the_lease_names_the_commit(state):
    assert state["commit"]
