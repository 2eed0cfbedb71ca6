"""The load test of a server on this machine, as a resource."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from loadtest.generator.clients.protocols import request_body
from loadtest.run.payload import photograph
from loadtest.run.runner import LoadTestSpec, run_load_test
from provider.record.repeats import OneRun, run_all
from provider.record.run_record import Circumstances, keep, model_name
from provider.resource import Operation, Props
from provider.resources.listener import listener, reasons_against_listener
from provider.resources.measurement import Measurement
from provider.resources.progress import reporter
from serving.servers import server_named
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
    spec = LoadTestSpec(
        profile=load_profile(inputs["profile"]),
        protocol=protocol,
        base_url=inputs["baseUrl"],
        model_name=model_name(inputs),
        work_dir=work_dir,
        body=request_body(protocol, photograph().tobytes(), model_name(inputs)),
        server_pid=before.pid if before else None,
        processes=int(inputs["processes"]),
        page=inputs["restUrl"] + server_named(inputs["serving"]["server"]).counters_path,
    )
    outcome = run_load_test(spec, reporter(operation), operation.cancelled)
    outcome = replace(
        outcome, reasons=(*outcome.reasons, *reasons_against_listener(before, listener(inputs["baseUrl"])))
    )
    kept = keep(this, inputs, outcome, _HERE, operation)
    shutil.rmtree(work_dir)
    return kept
