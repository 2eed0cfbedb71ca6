"""What it takes to store the run of a Job, besides its rows. The Job carries it, so that any later update can."""

from collections.abc import Mapping

from pydantic import AwareDatetime, ValidationError

from analysis.results.manifest import Replica
from provider.cluster.api import Json
from provider.cluster.server_pods import ServerPod
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.record.repeats import PlannedRun
from stacks.frozen import Frozen

_ANNOTATION = "shapebench/run"


class RunRecord(Frozen):
    """A run as it was started. The `inputs` are without the kubeconfig: the Job holds no secret of the stack."""

    run: PlannedRun
    inputs: ClusterLoadTestInputs
    servers: tuple[ServerPod, ...]
    replicas: tuple[Replica, ...]
    started_at: AwareDatetime
    commit: str | None

    def annotations(self) -> Mapping[str, str]:
        """Of the Job."""
        inputs = self.inputs.model_copy(update={"kubeconfig": None})
        return {_ANNOTATION: self.model_copy(update={"inputs": inputs}).model_dump_json()}


def record_of(job: Json) -> RunRecord | None:
    """The record that a Job carries; None where it has none, or one of another version."""
    try:
        return RunRecord.model_validate_json((job["metadata"].get("annotations") or {})[_ANNOTATION])
    except (KeyError, ValidationError):
        return None
