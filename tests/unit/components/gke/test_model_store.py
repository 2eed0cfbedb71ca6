"""The model's bucket: closed, versioned by digest, and read by one identity."""

import pytest

from serving.export.resnet50 import network_with, write_saved_model
from stacks.server.models import RESNET50
from tests.unit.components.gke.gke_program import record_gke, record_stack, settings_with
from tests.unit.components.recorder import PROJECT, PROJECT_NUMBER


@pytest.fixture(scope="module")
def recording():
    return record_stack("8cpu-16gb")


def test_the_bucket_is_private_and_is_deleted_with_its_objects(recording):
    inputs = recording.one("bucket:Bucket").inputs
    assert inputs["uniformBucketLevelAccess"] is True
    assert inputs["publicAccessPrevention"] == "enforced"
    assert inputs["forceDestroy"] is True
    assert inputs["location"] == "US-CENTRAL1"
    assert inputs["softDeletePolicy"] == {"retentionDurationSeconds": 0}


def test_every_file_of_the_model_is_at_a_path_with_its_digest(recording):
    objects = {each.inputs["name"]: each.inputs["source"].path for each in recording.of("bucketObject:BucketObject")}
    assert objects == {f"d1/resnet/{file}": f"/models/resnet/{file}" for file in RESNET50.files}


def test_an_upload_has_time_for_a_slow_uplink(recording):
    # A request carries up to 16 MiB (google-api-go-client's DefaultUploadChunkSize), and the slowest uplink has 128
    # kbit/s. The provider's own limit is 4 minutes.
    needed_s = 16 * 1024 * 1024 * 8 / 128_000
    for each in recording.of("bucketObject:BucketObject"):
        assert each.create_timeout.endswith("m")
        assert int(each.create_timeout[:-1]) * 60 > needed_s


def test_the_files_are_those_of_an_export(tmp_path):
    write_saved_model(network_with("random"), tmp_path / "1")
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(RESNET50.files)


def test_only_the_servers_kubernetes_account_may_read_and_only_this_bucket(recording):
    (grant,) = recording.of("bucketIAMMember:BucketIAMMember")
    bucket = recording.one("bucket:Bucket")
    assert bucket.urn in grant.depends_on
    assert grant.inputs["role"] == "roles/storage.objectViewer"
    # As https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity writes it: number, then ID.
    assert grant.inputs["member"] == (
        f"principal://iam.googleapis.com/projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/"
        f"{PROJECT}.svc.id.goog/subject/ns/shapebench/sa/tf-serving"
    )
    account = recording.one("core/v1:ServiceAccount", "serving-account").inputs["metadata"]
    assert (account["namespace"], account["name"]) == ("shapebench", "tf-serving")
    assert not account.get("annotations")
    pod = recording.one("apps/v1:Deployment").inputs["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account["name"]


def test_no_google_account_reads_the_model(recording):
    accounts = {each.inputs["accountId"] for each in recording.of("serviceaccount/account:Account")}
    assert accounts == {"shapebench-8cpu-16gb-nodes"}
    assert recording.of("serviceaccount/iAMMember:IAMMember") == []


def test_the_grant_is_made_while_the_nodes_are_for_it_takes_minutes(recording):
    (grant,) = recording.of("bucketIAMMember:BucketIAMMember")
    by_urn = {resource.urn: resource for resource in recording.resources}

    def before(urn: str) -> set[str]:
        direct = by_urn[urn].depends_on if urn in by_urn else frozenset()
        return set(direct).union(*(before(each) for each in direct))

    waits_for = before(grant.urn)
    assert recording.one("cluster:Cluster").urn in waits_for
    later = (*recording.of("nodePool:NodePool"), *recording.of("bucketObject:BucketObject"))
    assert not waits_for & {each.urn for each in later}


def test_the_model_uri_is_known_only_once_the_server_may_read_it(recording):
    deployment = recording.one("apps/v1:Deployment")
    (container,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
    bucket = f"{recording.one('bucket:Bucket').name}-1a2b3c4"
    assert f"--model_base_path=gs://{bucket}/d1/resnet" in container["args"]
    before = {
        each.urn
        for typ in ("bucketObject:BucketObject", "bucketIAMMember:BucketIAMMember")
        for each in recording.of(typ)
    }
    assert before <= deployment.depends_on


def test_a_preview_shows_every_object_before_there_is_a_model():
    preview = record_gke(settings_with(), preview=True)
    assert len(preview.of("bucketObject:BucketObject")) == len(RESNET50.files)
