"""What a failed update means to a sweep."""

import pytest

from google_cloud.access import Access
from google_cloud.preflight import Problem, Requirements, _quota_problem, problem_report
from stacks.explain import SettingsError
from stacks.files import load_config, settings_in
from stacks.machines.quota_needs import Need
from sweep.fleet import FleetError, LastingError, QuotaError
from sweep.pulumi_fleet.failures import failure_of

WANTED = Requirements("8cpu-16gb", "us-central1-a", (), ())
[QUOTA] = _quota_problem(Need("CPUS", "region", 20), {"limit": 24, "usage": 20}, "p", "us-central1")
PERMISSION = Problem("the permission container.clusters.create is missing", ("gcloud …",))


def kind_of(*errors: str, printed: str = "") -> type[FleetError]:
    return type(failure_of(errors, printed, "a.log"))


def preflight(*problems: Problem) -> str:
    return problem_report(WANTED, Access("p"), problems)


def test_a_preflight_that_lacks_only_quota_waits_for_another_stack() -> None:
    assert kind_of(preflight(QUOTA)) is QuotaError
    assert kind_of(preflight(QUOTA, QUOTA)) is QuotaError


def test_a_preflight_that_lacks_more_than_quota_is_lasting() -> None:
    assert kind_of(preflight(PERMISSION)) is LastingError
    assert kind_of(preflight(QUOTA, PERMISSION)) is LastingError


@pytest.mark.parametrize(
    "message",
    [
        "googleapi: Error 403: Insufficient regional quota to satisfy: resource 'CPUS': request requires '16.0'",
        "Error waiting for creating GKE NodePool: Quota 'CPUS_ALL_REGIONS' exceeded.  Limit: 32.0 globally.",
        "[QUOTA_EXCEEDED]: Instance could not be created",
    ],
)
def test_quota_that_another_stack_took_after_the_preflight_is_quota(message: str) -> None:
    assert kind_of(message) is QuotaError


def test_a_setting_that_the_program_refuses_is_lasting() -> None:
    config = load_config("local") | {"shapebench:serving": {"protocol": "rest", "interOp": 0}}
    with pytest.raises(SettingsError) as refused:
        settings_in(config)
    assert kind_of(str(refused.value)) is LastingError


def test_a_failed_load_test_may_be_tried_again() -> None:
    assert kind_of("the load test failed: the generator was saturated") is FleetError


def test_without_an_error_of_the_engine_the_end_of_its_output_is_the_reason() -> None:
    failure = failure_of([], "\n".join(f"line {n}" for n in range(40)), "a.log")
    assert "line 39" in str(failure)
    assert "line 20" not in str(failure)
    assert "a.log" in str(failure)


def test_a_locked_stack_says_that_another_update_holds_it() -> None:
    failure = failure_of([], "error: the stack is currently locked by 1 lock(s).", "a.log")
    assert type(failure) is FleetError
    assert "another update of the stack" in str(failure)
