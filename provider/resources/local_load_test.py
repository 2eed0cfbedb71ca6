"""The load test of a server on this machine."""

from functools import partial
from typing import ClassVar

from provider.load_test_inputs import LocalLoadTestInputs
from provider.record.repeats import RunOnce
from provider.resource import Operation
from provider.resources.load_test import TRIGGERS, LoadTest


class LocalLoadTest(LoadTest[LocalLoadTestInputs, LocalLoadTestInputs]):
    """Run by Locust in a subprocess of the plugin."""

    token: ClassVar[str] = "shapebench:local:LoadTest"  # noqa: S105 - Pulumi's name for a type
    inputs = LocalLoadTestInputs
    triggers = TRIGGERS

    def test_of(self, inputs: LocalLoadTestInputs, operation: Operation) -> LocalLoadTestInputs:  # noqa: ARG002 - a hook
        return inputs

    def prepare(self, test: LocalLoadTestInputs, operation: Operation) -> RunOnce:  # noqa: ARG002 - a hook
        # It takes half a second to import, with pandas and SciPy, and most of Pulumi's commands measure nothing.
        from provider.measure_here import run_until_settled  # noqa: PLC0415 - see above

        return partial(run_until_settled, test)
