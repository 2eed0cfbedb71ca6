"""A run on this machine, from its server to its storage."""

import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from platform import node

from analysis.results.schema.manifest import Replica
from analysis.results.schema.samples import SERVER
from analysis.results.schema.thresholds import OTHERS_SHARE
from analysis.results.storage.store import new_run_id
from loadtest.generator.monitoring.machine import this_machine
from loadtest.generator.monitoring.process_meter import MachineMeter, ProcessMeter
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody
from loadtest.result.validity.disturbance import accepted
from loadtest.run.preparation import NotPreparedError, prepared_bodies
from loadtest.run.runner import run_load_test
from provider.killed_run import StartedRun
from provider.live_metrics import live_metrics
from provider.load_test_inputs import LocalLoadTestInputs
from provider.local.server_process import ProcessIdentity, is_here, listening_process, server_processes, server_state
from provider.local.startup import Readiness, computation_of, restart
from provider.progress import progress_reporter
from provider.record.fresh_deployment import must_restart
from provider.record.record_run import RunEnvironment, UnsettledRunError, record_run
from provider.record.repeats import FinishedRun, PlannedRun
from provider.resource import Operation, ResourceError

# As in a sweep.
_MOST_ATTEMPTS = 3
# How long it is looked at what other programs do before a test begins.
_LOOK_S = 1.0
# How long the first answer to each request may take: a model may be optimised with it.
_ANSWER_WITHIN_S = 60.0


def run_until_settled(inputs: LocalLoadTestInputs, run: PlannedRun, operation: Operation) -> FinishedRun:
    """Again where the run did not settle or was disturbed: others share the machine, and begin and end any time."""
    for attempt in range(2, _MOST_ATTEMPTS + 1):
        try:
            return run_once(inputs, run, operation)
        except UnsettledRunError as error:
            operation.info(f"{error}. It is measured again: attempt {attempt} of {_MOST_ATTEMPTS}")
            run = replace(run, run_id=new_run_id())
    return run_once(inputs, run, operation)


def run_once(inputs: LocalLoadTestInputs, run: PlannedRun, operation: Operation) -> FinishedRun:
    """One attempt; raises InvalidRunError where the run is stored and not valid."""
    work_dir = Path(inputs.work_dir) / run.run_id
    before = _server(inputs, operation)
    if before and not accepted() and (busy := machine_is_busy(MachineMeter(), ProcessMeter(before.pid))):
        operation.info(busy)
    plan = inputs.plan(work_dir, {SERVER: inputs.rest_url}, run.index, before.pid if before else None)
    bodies = _bodies(inputs, plan, operation)
    environment = _environment(inputs)
    started_at, plugin = datetime.now(UTC), ProcessIdentity.of(os.getpid())
    if plugin:
        server = server_state(before) if before else None
        StartedRun(
            run=run, inputs=inputs, environment=environment, server=server, plugin=plugin, started_at=started_at
        ).write(work_dir)
    with live_metrics(inputs.labels(run.run_id), operation.info) as live:
        outcome = run_load_test(
            plan,
            bodies,
            progress_reporter(operation, live),
            operation.cancelled,
            lambda: server_processes(before, _listening(inputs)),
        )
        finished = record_run(run, inputs, outcome, environment, operation, live)
    shutil.rmtree(work_dir)
    return finished


def _bodies(inputs: LocalLoadTestInputs, plan: LoadTestPlan, operation: Operation) -> list[RequestBody]:
    try:
        return prepared_bodies(plan, Path(inputs.payload), _ANSWER_WITHIN_S, operation.status, operation.cancelled)
    except NotPreparedError as error:
        shutil.rmtree(plan.work_dir, ignore_errors=True)
        raise ResourceError(
            f"{error}, so nothing was measured; correct the cause, and run `pulumi up` again"
            + (f". The server's log is {inputs.server_log}" if inputs.server_log else "")
        ) from None


def machine_is_busy(machine: MachineMeter, server: ProcessMeter) -> str | None:
    """The warning where other programs already use so much CPU that a run beside them is refused."""
    most_cores = machine.most_cores
    meters: list[MachineMeter | ProcessMeter] = [machine, server]
    before = [meter.read() for meter in meters]
    time.sleep(_LOOK_S)
    of_machine, of_server = (
        (after.cpu_s - first.cpu_s) / _LOOK_S if first and (after := meter.read()) else None
        for first, meter in zip(before, meters, strict=True)
    )
    if of_machine is None or of_server is None or most_cores is None:
        return None
    used = min(most_cores, of_machine - of_server)
    if used <= OTHERS_SHARE * most_cores:
        return None
    return (
        f"other programs use {used:.2f} of this machine's {most_cores:g} cores now; a run during which they use more"
        f" than {OTHERS_SHARE:.0%} is refused, so end them (`top` lists them)"
    )


def _server(inputs: LocalLoadTestInputs, operation: Operation) -> ProcessIdentity | None:
    """The process that is to answer the run; None where it cannot be seen, as on another machine."""
    server = _listening(inputs)
    if not must_restart(inputs, [server_state(server)] if server else []):
        return server
    if server is None:
        raise ResourceError(
            f"no process can be seen that listens at {inputs.base_url}, so the server cannot be restarted before this"
            " run; if it has ended, run `pulumi up` again; if another user started it, run `pulumi up` as that user, or"
            " set shapebench:load.freshDeployment to false"
        )
    operation.info("restarting the server, so that this run has a deployment of its own")
    return restart(server, Path(inputs.server_log or ""), _readiness(inputs), operation)


def _listening(inputs: LocalLoadTestInputs) -> ProcessIdentity | None:
    return listening_process(inputs.base_url) if is_here(inputs.base_url) else None


def _environment(inputs: LocalLoadTestInputs) -> RunEnvironment:
    """One process of this machine serves, and the generator uses the same cores; or a service of another machine."""
    shares_host, this_node = is_here(inputs.base_url), node()
    server = Replica(name=SERVER, node=this_node, **this_machine()) if shares_host else Replica(name=SERVER)
    is_known = inputs.serving.server_args is None
    return RunEnvironment(
        image=None,
        replicas=(server,),
        generator_node=this_node,
        shares_host_with_server=shares_host,
        computation=computation_of(_readiness(inputs).ready_url) if is_known else None,
    )


def _readiness(inputs: LocalLoadTestInputs) -> Readiness:
    return Readiness.of(inputs.serving.server, inputs.model.name, inputs.rest_url, inputs.start_timeout_s)
