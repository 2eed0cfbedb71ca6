"""The load generator's pod: where things are in it, which scripts it needs, and what its containers run.

Standard library only, but it runs outside: whoever declares the pod reads it.
"""

from pathlib import Path, PurePosixPath

from loadtest.generator import LOCUST_OPTIONS

# The modules that run in the pod. Nothing else of this project is there.
SCRIPTS = (
    "__init__.py",
    "arrivals.py",
    "available.py",
    "capacity_run.py",
    "certify.py",
    "client.py",
    "clock.py",
    "closed_loop.py",
    "counters.py",
    "desk.py",
    "grpc_check.py",
    "grpc_client.py",
    "grpc_messages.py",
    "grpc_request.py",
    "health.py",
    "hooks.py",
    "keeper.py",
    "known_answers.py",
    "locustfile.py",
    "master.py",
    "open_loop.py",
    "phases.py",
    "plan.py",
    "prepare.py",
    "process_meter.py",
    "protocols.py",
    "pulse.py",
    "recorder.py",
    "report.py",
    "rest_check.py",
    "rest_client.py",
    "rest_connection.py",
    "rest_request.py",
    "sampler.py",
    "search.py",
    "shape.py",
    "step.py",
    "trend.py",
    "user.py",
    "warmth.py",
    "watch.py",
    "words.py",
    "worker.py",
)

ROOT = PurePosixPath("/shapebench")
SCRIPTS_DIR = ROOT / "scripts/loadtest"
PAYLOAD_DIR = ROOT / "payload"
PIXELS = PAYLOAD_DIR / "pixels.rgb"
WORK_DIR = ROOT / "work"
PLAN = WORK_DIR / "plan.json"

PREPARE_COMMAND = ("python", "-m", "loadtest.prepare")
LOCUST_COMMAND = ("locust", "-f", str(SCRIPTS_DIR / "locustfile.py"), *LOCUST_OPTIONS)
COUNTERS_COMMAND = ("python", "-m", "loadtest.counters")
# An interrupt ends the test as Ctrl-C would, with its rows written and its totals said.
INTERRUPT_COMMAND = ("sh", "-c", "kill -INT 1")


def available_command(within_s: float) -> tuple[str, ...]:
    """Ends when the model answers, and fails when it has not after so many seconds."""
    return ("python", "-m", "loadtest.available", f"{within_s:g}")


def keeper_command(command: str, path: PurePosixPath, *numbers: int) -> tuple[str, ...]:
    """One of the commands of loadtest.keeper."""
    return ("python", "-m", "loadtest.keeper", command, str(path), *map(str, numbers))


def scripts() -> dict[str, str]:
    """Text by file name, of all that runs in the pod."""
    here = Path(__file__).parent
    return {name: (here / name).read_text(encoding="utf-8") for name in SCRIPTS}
