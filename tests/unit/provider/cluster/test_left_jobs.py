"""Rows survive every ending of an update: the next `pulumi up` or `pulumi destroy` takes them from the Job."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import provider.cluster.job_pod
from analysis.results.schema.manifest import Manifest
from analysis.results.storage import store_files
from analysis.results.storage.layout import Problem
from analysis.results.storage.store import ResultsStore
from loadtest.result.validity import measurement
from provider.cluster import store_run
from provider.cluster.job_pod import JobPod
from provider.record import record_run
from provider.resource import Operation, ResourceError
from provider.resources.cluster_load_test import ClusterLoadTest
from provider.resources.unfetched_rows import UnfetchedRows

pytestmark = pytest.mark.real_time


class Killed(BaseException):
    """What ends an update without a word."""


@pytest.fixture(autouse=True)
def whatever_other_programs_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel counts segments of the whole machine, and a busy one retransmits some."""
    monkeypatch.setattr(measurement, "_RETRANSMITTED_RATIO", 1.0)


@pytest.fixture(autouse=True)
def poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobPod, "poll_s", 0.2)
    monkeypatch.setattr(provider.cluster.job_pod, "_DELETION_POLL_S", 0.05)


def up(cluster: Any, inputs: dict[str, Any]) -> list[str]:
    log: list[str] = []
    ClusterLoadTest(lambda *_: cluster).create(inputs, Operation(log.append, lambda _: None))
    return log


def fails(cluster: Any, inputs: dict[str, Any]) -> str:
    with pytest.raises(ResourceError) as failure:
        up(cluster, inputs)
    return str(failure.value)


def destroy(cluster: Any, inputs: dict[str, Any]) -> list[str]:
    log: list[str] = []
    state = {name: inputs[name] for name in ("namespace", "stack", "results", "workDir")}
    UnfetchedRows(lambda *_: cluster).delete(state, Operation(log.append, lambda _: None))
    return log


def runs(inputs: dict[str, Any]) -> tuple[Manifest, ...]:
    return ResultsStore(inputs["results"]).scan().manifests


def rows_of(inputs: dict[str, Any], manifest: Manifest) -> int:
    files = manifest.files or ()
    assert files, f"{manifest.run_id} has no files"
    store = ResultsStore(inputs["results"])
    return sum(file.metadata.num_rows for file in store.row_files(manifest) if not isinstance(file, Problem))


def lose_pod(cluster: Any) -> None:
    cluster.pod_unreachable = True


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def kill(*_: Any) -> None:
    raise Killed


@pytest.fixture
def left(cluster: Any, inputs: dict[str, Any]) -> str:
    """A whole test whose rows could not be fetched; the message of its update."""
    cluster.during = lose_pod
    message = fails(cluster, inputs)
    cluster.pod_unreachable = False
    return message


@pytest.fixture
def killed(cluster: Any, inputs: dict[str, Any]) -> None:
    """An update that was killed in the middle of its test."""
    inputs["profile"]["duration_s"] = 600.0
    cluster.during = kill
    with pytest.raises(Killed):
        up(cluster, inputs)
    inputs["profile"]["duration_s"] = 1.5


def test_rows_that_cannot_be_fetched_stay_in_the_job_and_the_error_says_how_to_get_them(
    cluster: Any, inputs: dict[str, Any], left: str
) -> None:
    (folder,) = Path(inputs["workDir"]).iterdir()
    job = f"load-{folder.name.lower()}"
    assert left == (
        f"the pod gave no usable answer for 600 s (503). The rows of run {folder.name} are in the Job {job} of"
        " namespace shapebench, which keeps them for 12 h after the test; the next `pulumi up` or `pulumi destroy`"
        f" fetches and stores them. To drop them, run `kubectl delete job {job} --namespace shapebench`, or, if the"
        f" cluster is gone, delete {folder}"
    )
    assert cluster.deleted == []
    assert runs(inputs) == ()


@pytest.mark.usefixtures("left")
def test_the_next_update_stores_the_whole_run_and_measures_its_own(cluster: Any, inputs: dict[str, Any]) -> None:
    log = up(cluster, inputs)
    first, second = runs(inputs)
    assert (first.validity.reasons, second.validity.reasons) == ((), ())
    assert rows_of(inputs, first) > 10 < rows_of(inputs, second)
    assert first.finished_at < second.started_at
    assert log[0] == (
        f"fetching the rows of run {first.run_id} from load-{first.run_id.lower()}, a load test that an interrupted"
        " update left behind"
    )
    assert cluster.deleted == [f"load-{run.run_id.lower()}" for run in (first, second)]
    assert list(Path(inputs["workDir"]).iterdir()) == []


@pytest.mark.usefixtures("left")
def test_a_destroy_stores_the_run_before_its_job_is_deleted(cluster: Any, inputs: dict[str, Any]) -> None:
    destroy(cluster, inputs)
    (run,) = runs(inputs)
    assert run.validity.reasons == ()
    assert rows_of(inputs, run) > 10
    assert cluster.deleted == [f"load-{run.run_id.lower()}"]
    assert destroy(cluster, inputs) == []


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize("next_command", [up, destroy])
def test_a_test_whose_update_was_killed_is_ended_and_its_rows_are_stored_as_an_invalid_run(
    cluster: Any, inputs: dict[str, Any], next_command: Any
) -> None:
    assert cluster.pod.alive
    next_command(cluster, inputs)
    first, *others = runs(inputs)
    assert first.validity.reasons == (
        "the update that ran the test was interrupted, so later requests are missing; run again",
    )
    assert rows_of(inputs, first) > 0
    assert len(others) == (next_command is up)
    assert cluster.jobs("") == []


@pytest.mark.usefixtures("left")
def test_servers_that_changed_before_the_rows_were_fetched_make_the_run_invalid(
    cluster: Any, inputs: dict[str, Any]
) -> None:
    cluster.servers[0]["metadata"]["uid"] = "another"
    destroy(cluster, inputs)
    (run,) = runs(inputs)
    (reason,) = run.validity.reasons
    assert reason == (
        "server tf-serving-0 was replaced during the test or after it by tf-serving-0, so it is not known whether all"
        " servers answered until the end of the test; run again"
    )
    assert rows_of(inputs, run) > 10


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("command", [up, destroy])
def test_rows_that_still_cannot_be_fetched_stop_the_next_command_and_stay(
    cluster: Any, inputs: dict[str, Any], command: Any
) -> None:
    cluster.pod_unreachable = True
    with pytest.raises(ResourceError, match=r"The rows of run \w+ are in the Job load-\w+ of namespace shapebench"):
        command(cluster, inputs)
    assert cluster.deleted == []
    assert cluster.jobs("")


@pytest.mark.usefixtures("left")
def test_rows_that_were_dropped_on_purpose_are_told_once(cluster: Any, inputs: dict[str, Any]) -> None:
    (folder,) = Path(inputs["workDir"]).iterdir()
    cluster.delete_job(cluster.name)
    assert destroy(cluster, inputs) == [
        f"the rows of run {folder.name} are lost: the Job load-{folder.name.lower()} that held them is gone"
    ]
    assert destroy(cluster, inputs) == []


@pytest.mark.usefixtures("left")
def test_rows_in_another_cluster_are_not_lost_and_are_fetched_when_the_stack_is_updated_there(
    cluster: Any, inputs: dict[str, Any]
) -> None:
    (folder,) = Path(inputs["workDir"]).iterdir()
    there, jobs = cluster.cluster, cluster.jobs
    cluster.cluster, cluster.jobs = "https://10.0.0.2 (authority 2)", lambda _: []
    (line,) = destroy(cluster, inputs)
    assert line == (
        f"the rows of run {folder.name} are in the Job load-{folder.name.lower()} of another cluster, {there}; an"
        f" update of the stack in that cluster fetches them; if that cluster is gone, delete {folder}"
    )
    assert folder.is_dir()
    cluster.unreachable, cluster.jobs = True, jobs
    (line,) = destroy(cluster, inputs)
    assert line.startswith("the cluster could not be asked for rows"), (
        "those that this machine knows of are in another one"
    )
    cluster.cluster, cluster.unreachable = there, False
    destroy(cluster, inputs)
    (run,) = runs(inputs)
    assert rows_of(inputs, run) > 10


@pytest.mark.usefixtures("left")
def test_a_destroy_without_the_cluster_fails_while_this_machine_knows_of_rows_in_it(
    cluster: Any, inputs: dict[str, Any]
) -> None:
    cluster.unreachable = True
    with pytest.raises(ResourceError) as failure:
        destroy(cluster, inputs)
    (folder,) = re.findall(r"if the cluster is gone, delete (\S+)$", str(failure.value))
    shutil.rmtree(folder)
    (line,) = destroy(cluster, inputs)
    assert line.startswith("the cluster could not be asked for rows of interrupted load tests (the cluster's API")


@pytest.mark.usefixtures("left")
def test_a_run_that_is_stored_is_not_stored_again(
    cluster: Any, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update was killed after it had stored the run, and before it deleted the Job."""
    monkeypatch.setattr(store_run, "remove_job", kill)
    with pytest.raises(Killed):
        destroy(cluster, inputs)
    monkeypatch.undo()
    before = runs(inputs)
    (line,) = destroy(cluster, inputs)
    assert line.endswith(f"an interrupted update left behind; its run {before[0].run_id} is stored")
    assert runs(inputs) == before
    assert cluster.jobs("") == []


def test_rows_that_fit_on_no_disk_stay_in_the_job(
    cluster: Any, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(_: Any) -> None:
        monkeypatch.setattr(store_files, "write_to_disk", full)
        monkeypatch.setattr(record_run, "keep_beside_raw_rows", full)

    cluster.during = fill_disk
    message = fails(cluster, inputs)
    assert "was measured and not stored" in message
    assert re.search(r"The rows of run \w+ are in the Job load-", message)
    assert cluster.deleted == []
    monkeypatch.undo()
    destroy(cluster, inputs)
    (run,) = runs(inputs)
    assert run.validity.reasons == ()


def test_a_run_that_can_be_imported_needs_no_job(
    cluster: Any, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.during = lambda _: monkeypatch.setattr(store_files, "write_to_disk", full)
    message = fails(cluster, inputs)
    assert "`shapebench import " in message
    assert "in the Job" not in message
    assert cluster.jobs("") == []


def test_the_run_is_stored_where_it_is_fetched(cluster: Any, inputs: dict[str, Any], left: str, tmp_path: Path) -> None:
    assert left
    elsewhere = inputs | {"results": str(tmp_path / "other/results"), "workDir": str(tmp_path / "other/runs")}
    destroy(cluster, elsewhere)
    (run,) = runs(elsewhere)
    assert rows_of(elsewhere, run) > 10


def test_the_job_says_all_of_its_run_but_the_kubeconfig(cluster: Any, inputs: dict[str, Any]) -> None:
    cluster.during = lose_pod
    fails(cluster, inputs | {"kubeconfig": "s3cr3t"})
    assert json.loads(cluster.job["metadata"]["annotations"]["shapebench/run"])["inputs"]["namespace"] == "shapebench"
    assert "s3cr3t" not in json.dumps(cluster.job)


@pytest.mark.usefixtures("left")
def test_a_job_of_another_version_is_left_alone(cluster: Any, inputs: dict[str, Any]) -> None:
    cluster.job["metadata"]["annotations"] = {"shapebench/run": '{"later": 1}'}
    with pytest.raises(
        ResourceError, match=r"may hold rows, but its record of the run .* another version .*`kubectl delete job"
    ):
        destroy(cluster, inputs)
    assert cluster.deleted == []
