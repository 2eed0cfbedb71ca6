"""ModelInPlace: a model that servers read where it is, in a bucket that is not the stack's."""

from dataclasses import dataclass

import pulumi
from pulumi_gcp.storage.bucket_iam_member import BucketIAMMember

from components.gke.model_store import principal
from stacks.server.models import Model


@dataclass
class ModelInPlaceArgs:
    """The model, and the pods that read it."""

    model: Model
    project_number: pulumi.Input[str]
    """That of the cluster, which may be another than the bucket's."""
    workload_pool: pulumi.Input[str]
    """`<project>.svc.id.goog`; known once the cluster exists."""
    namespace: str
    service_account: str
    """The Kubernetes service account, in that namespace, whose pods read the model. No other stack has the same."""


class ModelInPlace(pulumi.ComponentResource):
    """The right to read the bucket, for as long as the stack exists."""

    uri: pulumi.Output[str]
    """Known once the model may be read."""

    def __init__(self, name: str, args: ModelInPlaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:gke:ModelInPlace", name, None, opts)
        grant = BucketIAMMember(
            f"{name}-may-read",
            bucket=args.model.bucket,
            role="roles/storage.objectViewer",
            member=pulumi.Output.all(args.project_number, args.workload_pool).apply(
                lambda known: principal(int(known[0]), str(known[1]), args.namespace, args.service_account)
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.uri = grant.id.apply(lambda _: str(args.model.in_place))
        self.register_outputs({})
