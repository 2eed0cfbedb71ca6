"""The load test of a server on this machine, as a resource."""

import shutil
from functools import partial
from pathlib import Path
from typing import ClassVar

from analysis.results.samples import SERVER
from loadtest.generator.clients.protocols import request_body
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.run.payload import photograph
from loadtest.run.runner import run_load_test
from provider.record.repeats import OneRun, run_all
from provider.record.run_record import Circumstances, keep, model_name
from provider.resource import Operation, Props
from provider.resources.listener import listener, servers
from provider.resources.measurement import Measurement
from provider.resources.progress import reporter
from serving.command import PROMETHEUS_PATH
from stacks.load_profiles import load_profile

# One process of this machine answers; it is no container, and the generator takes its cores.
_HERE = Circumstances(image=None, replicas=1, shares_host_with_server=True)


class LoadTest(Measurement):
    """Inputs: those of components.load_test.local.LoadTestArgs. Outputs: runId, headline and runIds."""

    token: ClassVar[str] = "shapebench:local:LoadTest"  # noqa: S105 - Pulumi's word for a type's name
    triggers: ClassVar[frozenset[str]] = frozenset(
        {"baseUrl", "fingerprint", "processes", "profile", "repeats", "rerun", "shape"}
    )

    def measure(self, inputs: Props, operation: Operation) -> Props:
        return run_all(inputs, operation, partial(_run, inputs))


def _run(inputs: Props, this: OneRun, operation: Operation) -> Props:
    work_dir = Path(inputs["workDir"]) / this.run_id
    protocol = inputs["serving"]["protocol"]
    before = listener(inputs["baseUrl"])
    plan = LoadTestPlan(
        load=load_plan(load_profile(inputs["profile"]).model_dump()),
        protocol=protocol,
        base_url=inputs["baseUrl"],
        model_name=model_name(inputs),
        work_dir=str(work_dir),
        processes=int(inputs["processes"]),
        counter_urls={SERVER: inputs["restUrl"] + PROMETHEUS_PATH},
        server_pid=before.pid if before else None,
    )
    outcome = run_load_test(
        plan,
        request_body(protocol, photograph().tobytes(), model_name(inputs)),
        reporter(operation),
        operation.cancelled,
        lambda: servers(before, listener(inputs["baseUrl"])),
    )
    kept = keep(this, inputs, outcome, _HERE, operation)
    shutil.rmtree(work_dir)
    return kept
