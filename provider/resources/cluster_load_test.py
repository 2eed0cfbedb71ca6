"""The load test in a cluster: a Job runs it, and its rows are fetched through the Kubernetes API."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from provider.cluster.api import REQUIRED_RIGHTS, RESTART_RIGHTS, Cluster, connect
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.record.repeats import RunOnce
from provider.resource import Operation, ResourceError
from provider.resources.load_test import TRIGGERS, LoadTest


class ClusterLoadTest(LoadTest[ClusterLoadTestInputs, ClusterLoadTestInputs]):
    """Run by Locust in a pod of the cluster."""

    token: ClassVar[str] = "shapebench:kubernetes:LoadTest"  # noqa: S105 - Pulumi's name for a type
    inputs = ClusterLoadTestInputs
    triggers: ClassVar[frozenset[str]] = TRIGGERS | {"generatorImage"}
    secrets: ClassVar[frozenset[str]] = frozenset({"kubeconfig"})

    def __init__(self, connect: Callable[[ClusterLoadTestInputs, Operation], Cluster] | None = None) -> None:
        self._connect = connect or _connect

    def test_of(self, inputs: ClusterLoadTestInputs, operation: Operation) -> ClusterLoadTestInputs:  # noqa: ARG002 - a hook
        return inputs

    def prepare(self, test: ClusterLoadTestInputs, operation: Operation) -> RunOnce:
        # They take half a second to import, with pandas and SciPy, and most of Pulumi's commands measure nothing.
        from provider.cluster.left_jobs import Destination, collect_left_jobs  # noqa: PLC0415 - see above
        from provider.measure_in_cluster import run_once  # noqa: PLC0415 - see above

        cluster = self._connect(test, operation)
        to = Destination(test.stack, test.namespace, test.results, Path(test.work_dir))
        collect_left_jobs(cluster, to, operation)
        return partial(run_once, cluster, test)


def _connect(inputs: ClusterLoadTestInputs, operation: Operation) -> Cluster:
    api = connect(inputs, operation, "; a test that runs there continues")
    required = REQUIRED_RIGHTS + RESTART_RIGHTS if inputs.fresh_deployment else REQUIRED_RIGHTS
    if missing := api.missing_rights(required):
        raise ResourceError(
            f"the kubeconfig's user lacks permissions in namespace {inputs.namespace}: {', '.join(missing)}; the load"
            " test needs them to run and to fetch its rows; bind a Role with them to that user"
        )
    return api
