"""The serving variant: how a stack serves its model. Stack files, flags, manifests and the report all use this type."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator
from pydantic.alias_generators import to_camel

from stacks.frozen import Frozen
from stacks.server.protocols import PROTOCOLS, ProtocolFacts, ProtocolName

# The embedded server itself takes more, as TF Serving does.
_MOST_OF_BATCHING = {"max_batch_size": 4096, "batch_timeout_micros": 10_000_000, "num_batch_threads": 1024}

Threads = Annotated[int, Field(ge=1, le=256)]


def _vcpus(quantity: object) -> object:
    """VCPUs, in thousandths as Kubernetes has them, from its text for them, such as 1500m; anything else as it is."""
    if isinstance(quantity, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", quantity)):
        quantity = float(found[1]) / (1000 if found[2] else 1)
    return round(quantity, 3) if isinstance(quantity, float) else quantity


Vcpus = Annotated[float, BeforeValidator(_vcpus), Field(gt=0)]


class Batching(Frozen):
    """Server-side batching, with the names of TF Serving's batching parameter file. Units are in the names."""

    max_batch_size: Annotated[
        int,
        Field(ge=1, description="The most requests in a batch. 0 would serve nothing. Give 1 to 4096; 128 is usual."),
    ]
    batch_timeout_micros: Annotated[
        int,
        Field(
            ge=0,
            description="How long a batch waits for more requests, in µs. Give 0, then try 1000 to 10000.",
        ),
    ]
    max_enqueued_batches: Annotated[
        int,
        Field(ge=1, description="Batches that may wait. 0 refuses every request. Give as many as numBatchThreads."),
    ]
    num_batch_threads: Annotated[
        int, Field(ge=1, description="Batches that run at once. 0 would run none. Give as many as the shape has vCPUs.")
    ]


class ServingSettings(Frozen):
    """`shapebench:serving` of a stack file: a serving variant whose `intraOp` may be left to the shape."""

    protocol: Annotated[
        ProtocolName,
        Field(
            description="What the generator sends; the server answers all that it speaks whatever this says. Give rest"
            " or grpc, or where the server speaks the Open Inference Protocol v2-rest, v2-binary or v2-grpc. With this"
            " project's own servers image uploads a JPEG, which the server decodes."
        ),
    ]
    intra_op: Annotated[
        Threads | None,
        Field(
            description="Threads inside one operation. 0 or a negative number would let the server take all"
            " cores of the host. Leave it out for the shape's vCPUs.",
        ),
    ] = None
    inter_op: Annotated[
        Threads,
        Field(
            description="Operations that run at once. 0 or a negative number would let the server take all"
            " cores of the host. Give 2, 4 or 8.",
        ),
    ]
    batching: Annotated[
        Batching | None,
        Field(
            description="How the server batches requests: maxBatchSize, batchTimeoutMicros, maxEnqueuedBatches and"
            " numBatchThreads. Leave it out for no batching."
        ),
    ] = None
    cpu_limit: Annotated[
        Vcpus | None,
        Field(
            description="The most CPU that a replica may use, in vCPUs, even while its node is idle. At 0 the server"
            " would never run. Give 1.5 or 1500m, up to the vCPUs of a node, or leave it out for no limit.",
        ),
    ] = None
    one_dnn: Annotated[
        bool | None,
        Field(
            description="Whether TensorFlow computes with oneDNN. Give true or false, or leave it out for TensorFlow's"
            " default, which depends on the CPU.",
        ),
    ] = None

    @property
    def sent_over(self) -> ProtocolFacts:
        """The protocol, with what follows from it."""
        return PROTOCOLS[self.protocol]

    @property
    def threads_name(self) -> str:
        """The setting of threads that the published experiment varies, as its names of variants have it: `interop4`."""
        return f"interop{self.inter_op}"

    @field_validator("batching")
    @classmethod
    def _batching_is_within_what_a_stack_may_ask_for(cls, batching: Batching | None) -> Batching | None:
        for name, most in _MOST_OF_BATCHING.items():
            if batching and (value := getattr(batching, name)) > most:
                raise ValueError(
                    f"{to_camel(name)} is {value}, so a request would wait for seconds or the server would run out of"
                    f" memory; give {most} at most"
                )
        return batching


class ServingVariant(ServingSettings):
    """Everything that a stack can change about serving; each thread setting is a number."""

    intra_op: Threads

    @property
    def thread_settings(self) -> str:
        return f"intra_op {self.intra_op}, inter_op {self.inter_op}"

    @property
    def cpu_limit_millis(self) -> int | None:
        """The CPU limit in millicores; None without one."""
        return None if self.cpu_limit is None else round(1000 * self.cpu_limit)

    @property
    def busy_threads(self) -> int:
        """How many cores one replica can keep busy.

        TensorFlow splits one operation among intra_op threads, and runs inter_op operations at a time.
        """
        return max(self.intra_op, self.inter_op)


def fingerprint(parts: Mapping[str, object]) -> str:
    """16 hexadecimal digits that are equal for equal parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
