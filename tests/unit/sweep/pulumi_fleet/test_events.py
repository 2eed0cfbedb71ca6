"""What the engine's events say."""

import pytest

from loadtest.run.progress import Progress as LoadProgress
from provider.progress import progress_reporter
from provider.resource import Operation
from sweep.fleet import Progress
from sweep.pulumi_fleet.events import error_of, progress_of

URN = "urn:pulumi:local::shapebench::shapebench:local:LocalPlatform$shapebench:local:LoadTest::local-load-test"


def logged(message: str, severity: str = "info", *, ephemeral: bool = True) -> dict:
    return {"diagnosticEvent": {"urn": URN, "message": message, "severity": severity, "ephemeral": ephemeral}}


def begun(op: str) -> dict:
    return {"resourcePreEvent": {"metadata": {"op": op, "urn": URN, "type": "shapebench:local:LoadTest"}}}


def status(p50_ms: float | None, p99_ms: float | None) -> str:
    """The line by which the plugin shows a running test."""
    shown: list[str] = []
    report = progress_reporter(Operation(lambda _: None, shown.append))
    report(LoadProgress(12, 60, "step-2", 64, requests=90, errors=0, rps=17.25, p50_ms=p50_ms, p99_ms=p99_ms))
    return shown[0]


def test_the_status_of_the_load_test_gives_rate_and_p99() -> None:
    found = progress_of(logged(f"<{{%reset%}}>{status(31.4, 204.6)}<{{%reset%}}>\n"))
    assert found == Progress(status(31.4, 204.6), rps=17.2, p99_ms=205)


def test_without_an_answer_there_is_no_p99() -> None:
    found = progress_of(logged(status(None, None)))
    assert found
    assert (found.rps, found.p99_ms) == (17.2, None)


@pytest.mark.parametrize(("op", "text"), [("create", "creating"), ("update", "updating"), ("delete", "deleting")])
def test_what_begins_is_progress(op: str, text: str) -> None:
    assert progress_of(begun(op)) == Progress(f"{text} LoadTest local-load-test")


def test_what_stays_the_same_is_no_progress() -> None:
    assert progress_of(begun("same")) is None


@pytest.mark.parametrize(
    "event", [{}, {"cancelEvent": {}}, logged("kept", ephemeral=False), logged(" \n"), logged("x", "error")]
)
def test_other_events_are_no_progress(event: dict) -> None:
    assert progress_of(event) is None


def test_an_error_is_its_text_without_colours() -> None:
    assert error_of(logged("<{%reset%}>the server ended\n<{%reset%}>", "error")) == "the server ended"


def test_the_error_of_one_resource_is_not_introduced_as_a_list() -> None:
    assert error_of(logged("1 error occurred:\n\t* the load test failed\n\n", "error")) == "the load test failed"


@pytest.mark.parametrize("text", ["update failed", "Resource monitor has terminated, shutting down"])
def test_what_follows_every_failure_is_no_reason(text: str) -> None:
    assert error_of(logged(text, "error")) is None
