"""Prepares a test on this machine as the generator's pod does: the requests are written, and each is answered once."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan
from loadtest.generator.prepare import PAYLOAD_VARIABLE, PLAN_JSON_VARIABLE
from loadtest.generator.request_bodies import RequestBody, read_bodies
from loadtest.run.locust_process import environment

_POLL_S = 0.2


class NotPreparedError(Exception):
    """The server gave no right answer to a request; the text says which, and what it answered."""


def prepared_bodies(
    plan: LoadTestPlan, payload: Path, within_s: float, on_progress: Callable[[str], None], cancelled: threading.Event
) -> list[RequestBody]:
    """The requests of the payload with their right answers; each may take `within_s` seconds.

    A process of its own sends them: gevent, which the clients need, may not be in this one. It has ended when this
    returns or raises NotPreparedError. Creates the plan's `work_dir`.
    """
    work_dir = Path(plan.work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    variables = {
        PLAN_JSON_VARIABLE: plan.to_json(),
        PAYLOAD_VARIABLE: str(payload),
        PLAN_VARIABLE: str(work_dir / "prepared.json"),
    }
    log_path = work_dir / "prepare.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.generator.prepare", f"{within_s:g}"],
            cwd=work_dir,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        while process.poll() is None:
            on_progress(_last_line(log_path) or "waiting for the first answer")
            if cancelled.wait(_POLL_S):
                raise NotPreparedError("was not asked for all answers, because the update was cancelled")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    if process.returncode:
        raise NotPreparedError(_last_line(log_path) or f"was not asked: the process ended with {process.returncode}")
    return read_bodies(Path(plan.bodies_path))


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1].strip() if lines else ""
