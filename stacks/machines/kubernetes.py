"""`shapebench:kubernetes`: how the server runs in an existing cluster."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from stacks.frozen import Frozen
from stacks.server.images import GeneratorImage, ServingImage

DIGEST_PLACE = "{digest}"


class PodSettings(Frozen):
    """CPU request and memory of one serving pod, where they are not those of a pod on a GKE node of the shape."""

    cpu_millis: Annotated[
        int,
        Field(
            ge=100,
            description="The CPU request. With less than 100 millicores the server hardly answers on a busy node. Give"
            " about half of the node, such as 900.",
        ),
    ]
    memory_mib: Annotated[
        int,
        Field(
            ge=1,
            description="Request and limit. A server that needs more is killed. Give 1024 or more.",
        ),
    ]


class KubernetesSettings(Frozen):
    """Settings of the platform `kubernetes`."""

    context: Annotated[
        str | None,
        Field(
            min_length=1,
            description="The kubeconfig context to deploy to. Leave it out for the current context of each update.",
        ),
    ] = None
    namespace: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
            description="The namespace that this stack creates and deletes: lower-case letters, digits and dashes.",
        ),
    ] = "shapebench"
    serving_image: ServingImage
    model_uri: Annotated[
        str,
        Field(
            pattern=r"^(gs:/)?/.+$",
            description="Where the server loads the model from: an absolute path in its image, or gs://….",
        ),
    ]
    service_account_annotations: Annotated[
        dict[str, str] | None,
        Field(description="Annotations of the service account that reads the bucket, for Workload Identity."),
    ] = None
    pool: Annotated[
        dict[str, str],
        Field(
            description="Labels of the serving nodes. Taints with the same keys and values are tolerated."
            " Give {} for any node."
        ),
    ] = Field(default_factory=dict)
    generator_image: GeneratorImage = None
    generator_pool: Annotated[
        dict[str, str],
        Field(description="Labels of the load generator's nodes. On serving nodes it would take the server's CPU."),
    ] = Field(default_factory=dict)
    pod: Annotated[
        PodSettings | None, Field(description="cpuMillis and memoryMib of a pod, where those of the shape do not fit.")
    ] = None
    one_a_node: Annotated[
        bool,
        Field(description="Whether each pod has a node of its own. Give false only for a trial on one node."),
    ] = True
    seed_faithful: Annotated[
        bool, Field(description="true deploys as the published experiment did, without requests, limits and probes.")
    ] = False

    @model_validator(mode="after")
    def _the_model_is_named_by_its_digest(self) -> Self:
        if DIGEST_PLACE not in self.model_uri:
            raise ValueError(
                f"modelUri is {self.model_uri!r}, which has no {DIGEST_PLACE}, so the server could load another model"
                f" than the one that the run records; put {DIGEST_PLACE} into the path, such as"
                f" /models/{DIGEST_PLACE}/resnet"
            )
        return self

    @model_validator(mode="after")
    def _only_a_bucket_needs_an_account(self) -> Self:
        if self.service_account_annotations is not None and not self.on_bucket:
            raise ValueError(
                f"serviceAccountAnnotations have no effect while modelUri is {self.model_uri!r}; leave them out, or"
                " give a modelUri that starts with gs://"
            )
        return self

    @property
    def on_bucket(self) -> bool:
        """Whether the server reads the model from Cloud Storage."""
        return self.model_uri.startswith("gs://")
