"""The export's process: what it says on standard error is shown, except TensorFlow's own log."""

import sys

import pytest

from provider.resource import Operation, ResourceError
from provider.resources.model_export import _run

# As TensorFlow 2.21 prints them while it is imported.
LOG = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795723941.015749   15026 port.cc:153] oneDNN custom operations are on.",
    "E0000 00:00:1795723947.068845   15026 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
]
SAID = "exporting ResNet50 with random weights"


def run(status: int) -> tuple[str, list[str]]:
    shown: list[str] = []
    program = f"import sys; print(*{[*LOG, SAID]!r}, sep='\\n', file=sys.stderr); print('done'); sys.exit({status})"
    return _run([sys.executable, "-c", program], Operation(shown.append, shown.append)), shown


def test_the_log_of_tensorflow_is_not_shown():
    assert run(0) == ("done\n", [SAID])


def test_the_log_of_tensorflow_is_in_the_error_of_an_export_that_failed():
    with pytest.raises(ResourceError, match=r"(?s)exit code 1.*oneDNN.*cuInit"):
        run(1)
