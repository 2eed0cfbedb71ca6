"""The load test of a server on this machine."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from loadtest.generator.clients.protocols import request_body
from loadtest.run.payload import photograph
from loadtest.run.runner import LoadTestSpec, run_load_test
from provider.load_test_inputs import LocalLoadTestInputs
from provider.local.server_process import listening_process, reasons_against_listener
from provider.record.record_run import RunEnvironment, record_run
from provider.record.repeats import FinishedRun, PlannedRun, RunOnce
from provider.resource import Operation
from provider.resources.load_test import LoadTest, progress_reporter
from serving.servers import server_named

# One process of this machine serves, and the generator uses the same cores.
_ENVIRONMENT = RunEnvironment(image=None, replicas=1, shares_host_with_server=True)


class LocalLoadTest(LoadTest[LocalLoadTestInputs]):
    """Run by Locust in a subprocess of the plugin."""

    token: ClassVar[str] = "shapebench:local:LoadTest"  # noqa: S105 - Pulumi's name for a type
    inputs = LocalLoadTestInputs

    def prepare(self, inputs: LocalLoadTestInputs, operation: Operation) -> RunOnce:  # noqa: ARG002 - nothing to do
        return partial(_run_once, inputs)


def _run_once(inputs: LocalLoadTestInputs, run: PlannedRun, operation: Operation) -> FinishedRun:
    work_dir = Path(inputs.work_dir) / run.run_id
    before = listening_process(inputs.base_url)
    spec = LoadTestSpec(
        profile=inputs.profile,
        protocol=inputs.serving.protocol,
        base_url=inputs.base_url,
        model_name=inputs.serving.model.name,
        work_dir=work_dir,
        body=request_body(inputs.serving.protocol, photograph().tobytes(), inputs.serving.model.name),
        server_pid=before.pid if before else None,
        processes=inputs.processes,
        page=inputs.rest_url + server_named(inputs.serving.server).counters_path,
    )
    outcome = run_load_test(spec, progress_reporter(operation), operation.cancelled)
    against_server = reasons_against_listener(before, listening_process(inputs.base_url))
    outcome = replace(outcome, reasons=(*outcome.reasons, *against_server))
    finished = record_run(run, inputs, outcome, _ENVIRONMENT, operation)
    shutil.rmtree(work_dir)
    return finished
