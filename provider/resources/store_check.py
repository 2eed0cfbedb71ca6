"""The check of the results store, before a server is started or a cluster is created."""

from collections.abc import Mapping
from typing import Any, ClassVar

from provider.record.store_check import require_writable
from provider.resource import Operation, Props, Resource, ResourceInputs, ResourceState


class StoreCheckInputs(ResourceInputs):
    """components.load_test.store_check.StoreCheckArgs, as the engine sends it."""

    results: str
    measured: Mapping[str, Any]


class StoreCheck(Resource[StoreCheckInputs, ResourceState]):
    """Outputs: nothing beyond the inputs. It runs again whenever the load test will."""

    token: ClassVar[str] = "shapebench:results:StoreCheck"  # noqa: S105 - Pulumi's name for a type
    inputs = StoreCheckInputs
    state = ResourceState
    triggers: ClassVar[frozenset[str]] = frozenset({"results", "measured"})

    def run_create(self, inputs: StoreCheckInputs, operation: Operation) -> Props:
        operation.status(f"checking that {inputs.results} can be written")
        require_writable(inputs.results)
        return {}
