"""A run on this machine whose plugin was killed: what its work folder keeps from the start, to store it as invalid."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import AwareDatetime, ValidationError

from analysis.results.storage.file_system import write_to_disk
from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan
from loadtest.result.outcome import outcome_of
from loadtest.result.raw_rows import read_all_raw_rows
from loadtest.result.samples import read_all_samples
from loadtest.result.servers import NO_SERVERS, Servers, ServerState
from loadtest.result.validity.termination import EndedByRunner, Termination
from loadtest.run.runner import PLAN_FILE
from provider.load_test_inputs import LocalLoadTestInputs
from provider.local.server_process import ProcessIdentity
from provider.record.record_run import RunEnvironment, manifest_of_run
from provider.record.repeats import PlannedRun
from provider.record.work_folder import MeasuredRun, WorkFolderError
from stacks.explain import first_line
from stacks.frozen import Frozen

_FILE = "run.json"


class StartedRun(Frozen):
    """A run as it was started: all that a manifest has besides what is measured."""

    run: PlannedRun
    inputs: LocalLoadTestInputs
    environment: RunEnvironment
    server: ServerState | None
    plugin: ProcessIdentity
    started_at: AwareDatetime

    def write(self, folder: Path) -> None:
        """Create the work folder with it; raises OSError."""
        write_to_disk(folder / _FILE, self.model_dump_json().encode())


def is_of_killed_run(folder: Path) -> bool:
    """Whether this is the folder of a run that was started, and whose end nobody recorded."""
    return (folder / _FILE).is_file()


def read_killed_run(folder: Path) -> MeasuredRun:
    """What is known of the run, marked invalid; raises WorkFolderError, and OSError where a file cannot be read."""
    try:
        started = StartedRun.model_validate_json((folder / _FILE).read_bytes())
        plan = replace(LoadTestPlan.from_json((folder / PLAN_FILE).read_text()), work_dir=str(folder))
    except FileNotFoundError as error:
        raise WorkFolderError(f"{folder} holds no rows, since its load test never started; measure again") from error
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise WorkFolderError(
            f"the run in {folder} was started by another version of this project, or its files were changed"
            f" ({first_line(error)}), so it cannot be imported; import it with the checkout that started it, or measure"
            " again"
        ) from error
    _require_ended(folder, started)
    raw_rows = read_all_raw_rows(folder, plan.workers)
    if not raw_rows.rows.num_rows:
        raise WorkFolderError(
            f"{folder} holds no rows, since its load test was killed before its first request had ended; measure again"
        )
    servers = Servers(1, (started.server,), (started.server,)) if started.server else NO_SERVERS
    outcome = outcome_of(
        plan,
        Termination(None, None, EndedByRunner.KILLED, (), ended_at=_last_written(plan)),
        raw_rows,
        read_all_samples(folder, plan.workers),
        servers,
        started.started_at,
    )
    return MeasuredRun(
        manifest_of_run(started.run, started.inputs, outcome, started.environment), outcome.rows, outcome.samples
    )


def _require_ended(folder: Path, started: StartedRun) -> None:
    """Raise WorkFolderError while the test runs, or its generator still writes rows."""
    if started.plugin.alive or _generators(folder):
        raise WorkFolderError(
            f"the load test in {folder} still runs, so it is not imported; wait for its end. After the plugin was"
            " killed, the generator ends within seconds"
        )


def _generators(folder: Path) -> list[int]:
    plan, running = str((folder / PLAN_FILE).absolute()), []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has ended, or is another user's
            if process.environ().get(PLAN_VARIABLE) == plan:
                running.append(process.pid)
    return running


def _last_written(plan: LoadTestPlan) -> datetime:
    files = (Path(plan.rows_path(worker)) for worker in range(plan.workers))
    return datetime.fromtimestamp(max(file.stat().st_mtime for file in files if file.exists()), UTC)
