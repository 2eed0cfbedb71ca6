"""How many threads of a server take requests: so many that gRPC refuses none, and that REST can fill a batch."""

from dataclasses import dataclass
from typing import Self

from stacks.server.serving_variant import Batching

# TensorFlow Serving's default of both is four for each CPU of the node (server.h of tensorflow/serving 2.20.0).
_REST_A_VCPU = 4
# Threads also limit how large a batch becomes: one batch fills while another runs (tensorflow/serving issue 394).
_REST_A_BATCH = 2
# A call that the generator gave up holds its thread until the server notices, while the user sends the next one.
_GRPC_A_CALL = 2
# One thread waits for the next call. The others are for the model service and for whoever looks at the server by hand.
_GRPC_BESIDE = 16
# All profiles of stacks.load.load_profiles need this many or fewer, so they have the same servers.
_GRPC_FEWEST = 1024


@dataclass(frozen=True)
class RequestThreads:
    """`--grpc_max_threads` and `--rest_api_num_threads` of one replica.

    gRPC refuses the call for which no thread is left, so there are more threads than calls: all of the load's, because
    all may be sent to one replica. They are a quota, from which a thread is taken when a call comes; the power of two
    keeps the servers of most loads equal. REST has a pool that queues.
    """

    grpc: int
    rest: int

    @classmethod
    def of(cls, batching: Batching | None, vcpus: int, most_in_flight: int) -> Self:
        """For a shape of `vcpus`, and a load with at most so many requests in flight."""
        grpc = _GRPC_A_CALL * most_in_flight + _GRPC_BESIDE
        in_batches = _REST_A_BATCH * batching.max_batch_size if batching else 0
        return cls(
            grpc=max(_GRPC_FEWEST, 1 << (grpc - 1).bit_length()),
            rest=max(_REST_A_VCPU * vcpus, in_batches),
        )
