"""ModelStore: a bucket with the exported model, which only the server's Kubernetes service account may read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp.storage import BucketSoftDeletePolicyArgs
from pulumi_gcp.storage.bucket import Bucket
from pulumi_gcp.storage.bucket_iam_member import BucketIAMMember
from pulumi_gcp.storage.bucket_object import BucketObject

from stacks.server.models import Model

# The provider allows 4 minutes for each request of an upload, and a request carries up to 16 MiB: under 0.6 Mbit/s it
# gives up (terraform-provider-google-beta 7.45, resource_storage_bucket_object.go; google-api-go-client, resumable.go).
# In 30 minutes a chunk goes through at 0.1 Mbit/s.
_UPLOAD_TIMEOUT = "30m"


@dataclass
class ModelStoreArgs:
    """The exported model, and the pods that read it."""

    region: str
    labels: pulumi.Input[Mapping[str, str]]
    model: Model
    model_path: pulumi.Input[str]
    """The folder that holds the version folders."""
    model_digest: pulumi.Input[str]
    workload_pool: pulumi.Input[str]
    """`<project>.svc.id.goog`; known once the cluster exists."""
    namespace: str
    service_account: str
    """The Kubernetes service account, in that namespace, whose pods read the model."""


class ModelStore(pulumi.ComponentResource):
    """The model, under a path with its digest: another model has another path, so nothing is overwritten."""

    uri: pulumi.Output[str]
    """`gs://<bucket>/<digest>/<name>`; known once the model is uploaded and may be read."""

    def __init__(self, name: str, args: ModelStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:gke:ModelStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        uploaded = pulumi.ResourceOptions(parent=self, custom_timeouts=pulumi.CustomTimeouts(create=_UPLOAD_TIMEOUT))
        bucket = Bucket(
            f"{name}-bucket",
            location=args.region.upper(),
            labels=args.labels,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            force_destroy=True,
            # An export can be repeated, and soft-deleted objects would be billed for another week.
            soft_delete_policy=BucketSoftDeletePolicyArgs(retention_duration_seconds=0),
            opts=child,
        )
        folder = pulumi.Output.concat(args.model_digest, "/", args.model.name)
        objects = [
            BucketObject(
                f"{name}-{_short_name(file, args.model.files)}",
                bucket=bucket.name,
                name=pulumi.Output.concat(folder, f"/{file}"),
                source=pulumi.Output.concat(args.model_path, f"/{file}").apply(pulumi.FileAsset),
                opts=uploaded,
            )
            # Known before the export, so that a preview shows every object.
            for file in args.model.files
        ]
        # It waits for the cluster, not for its nodes: IAM needs minutes, and the nodes take as long.
        grant = BucketIAMMember(
            f"{name}-may-read",
            bucket=bucket.name,
            role="roles/storage.objectViewer",
            member=pulumi.Output.all(bucket.project_number, args.workload_pool).apply(
                lambda known: principal(int(known[0]), str(known[1]), args.namespace, args.service_account)
            ),
            opts=child,
        )
        ready = pulumi.Output.all(*(resource.id for resource in (*objects, grant)))
        self.uri = pulumi.Output.all(bucket.name, folder, ready).apply(lambda known: f"gs://{known[0]}/{known[1]}")
        self.register_outputs({})


def _short_name(file: str, files: Sequence[str]) -> str:
    """The last part of its path, if no other file has the same."""
    last = file.rpartition("/")[2]
    return last if [file.rpartition("/")[2] for file in files].count(last) == 1 else file


def principal(project_number: int, workload_pool: str, namespace: str, service_account: str) -> str:
    """A Kubernetes service account as a member of an IAM policy, without a Google service account.

    https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
    """
    pools = f"iam.googleapis.com/projects/{project_number}/locations/global/workloadIdentityPools"
    return f"principal://{pools}/{workload_pool}/subject/ns/{namespace}/sa/{service_account}"
