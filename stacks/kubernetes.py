"""`shapebench:kubernetes`: how the server runs in a cluster that exists already."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from stacks.allocatable import LEAST_MEMORY_MIB
from stacks.frozen import Frozen
from stacks.images import GeneratorImage, ServingImage

DIGEST_PLACE = "{digest}"


class PodSettings(Frozen):
    """What one serving pod gets, where that is not what a GKE node of the shape leaves."""

    cpu_millis: Annotated[
        int, Field(ge=100, description="Without CPU nothing is served. Give millicores, such as 1500.")
    ]
    memory_mib: Annotated[
        int,
        Field(
            ge=LEAST_MEMORY_MIB,
            description=f"TensorFlow with ResNet50 would not fit in less. Give {LEAST_MEMORY_MIB} or more.",
        ),
    ]


class KubernetesSettings(Frozen):
    """For the platform `kubernetes` only."""

    context: Annotated[
        str | None,
        Field(
            min_length=1,
            description="The kubeconfig context to deploy to. Leave it out for the current one, which changes"
            " whenever you change it.",
        ),
    ] = None
    namespace: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
            description="The namespace that is made and removed by this stack: lower-case letters, digits and dashes.",
        ),
    ] = "shapebench"
    serving_image: ServingImage
    model_uri: Annotated[
        str,
        Field(
            pattern=r"^(gs:/)?/.+$",
            description="Where the server finds the model: an absolute path in its image, or gs://….",
        ),
    ]
    service_account_annotations: Annotated[
        dict[str, str] | None,
        Field(description="For Workload Identity: annotations of the service account that reads the bucket."),
    ] = None
    pool: Annotated[
        dict[str, str],
        Field(
            description="Labels of the nodes that serve, which may be taints of the same name. Give {} for any node."
        ),
    ] = Field(default_factory=dict)
    generator_image: GeneratorImage = None
    generator_pool: Annotated[
        dict[str, str],
        Field(description="Labels of the nodes that ask. Give others than serve, or they share what is measured."),
    ] = Field(default_factory=dict)
    pod: Annotated[
        PodSettings | None, Field(description="cpuMillis and memoryMib of a pod, where the shape's would not fit.")
    ] = None
    one_a_node: Annotated[
        bool,
        Field(description="Whether each pod has a node to itself. Give false only to try things out on one node."),
    ] = True
    seed_faithful: Annotated[
        bool, Field(description="true deploys as the published experiment did: no requests, no probes.")
    ] = False

    @model_validator(mode="after")
    def _the_model_is_named_by_its_digest(self) -> Self:
        if DIGEST_PLACE not in self.model_uri:
            raise ValueError(
                f"modelUri is {self.model_uri!r}, which could hold another model than the run's manifest names;"
                f" put {DIGEST_PLACE} into the path, such as /models/{DIGEST_PLACE}/resnet"
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
