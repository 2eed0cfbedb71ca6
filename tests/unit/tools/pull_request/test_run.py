"""Which backend a preview uses, with a stand-in for Pulumi that records its arguments."""

import json
import os
from pathlib import Path

import pytest

from tests.support.scripts import write_script
from tools.console import SetupError
from tools.pull_request import run

EMBEDDED, OWN = "file:///embedded", "gs://states"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A log of Pulumi's arguments, each after its backend; the backend has the stack 8cpu-16gb."""
    log = tmp_path / "log"
    listed = json.dumps([{"name": "acme/shapebench/8cpu-16gb"}])
    event = json.dumps({"summaryEvent": {}})
    write_script(
        tmp_path / "bin/pulumi",
        f"echo \"$PULUMI_BACKEND_URL $*\" >> '{log}'\n"
        f"case $1 in stack) [ -z \"$BROKEN\" ] && echo '{listed}' || {{ echo no permission >&2; exit 1; }} ;;\n"
        f"preview) [ \"$PULUMI_ENABLE_STREAMING_JSON_PREVIEW\" = true ] && echo '{event}' ;; esac",
    )

    def activated(*_: object) -> dict[str, str]:
        backend = os.environ.get("PULUMI_BACKEND_URL", EMBEDDED)
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        return os.environ | {"PATH": path, "PULUMI_BACKEND_URL": backend, "SHAPEBENCH_EMBEDDED_BACKEND": EMBEDDED}

    monkeypatch.setattr(run, "activated_environment", activated)
    monkeypatch.setattr(run, "ensure_stack", lambda _, stack: log.open("a").write(f"made {stack}\n"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", OWN)
    monkeypatch.setenv("BROKEN", "")
    return log


def test_a_stack_that_the_backend_has_is_compared_with_its_state_there(log: Path):
    assert not run.preview("8cpu-16gb").failed
    ls, preview = log.read_text().splitlines()
    assert ls.startswith(f"{OWN} stack ls")
    assert preview.startswith(f"{OWN} preview --json")
    assert "--policy-pack policy" in preview


def test_a_stack_that_the_backend_lacks_is_new_and_not_created_there(log: Path):
    assert not run.preview("2cpu-4gb").failed
    _, made, preview = log.read_text().splitlines()
    assert made == "made 2cpu-4gb"
    assert preview.startswith(f"{EMBEDDED} preview --json")


def test_without_a_backend_of_the_users_own_no_stacks_are_listed(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    run.preview("local")
    assert log.read_text().splitlines()[0] == "made local"


def test_a_backend_that_does_not_answer_is_an_error(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BROKEN", "yes")
    with pytest.raises(SetupError, match=r"(?s)does not list its stacks.*no permission"):
        run.preview("8cpu-16gb")


def latest_printer(folder: Path, prints: str, status: int = 0) -> None:
    write_script(folder / "bin/shapebench", f"echo \"$*\" >&2\nprintf '%s' '{prints}'\nexit {status}")


def test_without_a_results_store_nothing_is_read_from_one(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RESULTS_STORE", raising=False)
    latest_printer(log.parent, "", 1)
    found = run.preview("8cpu-16gb")
    assert (found.latest, found.latest_problem) == (None, None)


def test_the_latest_measurement_is_that_of_the_results_store(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESULTS_STORE", "gs://results")
    figure = {"value": 2.5, "low": 2.4, "high": 2.6}
    known = {
        "variant": "8cpu-16gb", "measured_at": "2026-11-20T09:30:00Z", "objective": "p99", "capacity_rps": figure,
        "usd_per_million": figure, "usd_hourly": 0.5, "prices_as_of": "2026-11-24", "deployments": 3, "runs": 3,
    }  # fmt: skip
    latest_printer(log.parent, json.dumps({"latest": {"8cpu-16gb": known}, "problems": []}))
    latest = run.preview("8cpu-16gb").latest
    assert latest is not None
    assert latest.usd_per_million.value == 2.5
    assert run.preview("2cpu-4gb").latest is None


def test_a_results_store_that_cannot_be_read_fails_no_preview(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESULTS_STORE", "gs://results")
    latest_printer(log.parent, "", 1)
    found = run.preview("8cpu-16gb")
    assert not found.failed
    assert found.latest_problem == "latest --results gs://results --stack 8cpu-16gb --history 5 --json"
