"""ONNX Runtime, without its reports.

From version 1.29 on it would report each session to its makers, over the network, from a process that is measured, and
keep an id of the machine in the home folder: docs/Privacy.md of microsoft/onnxruntime. It reads the variable once, when
it is loaded.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as onnxruntime  # noqa: PLC0414 - for those who import it from here

_ERRORS_ONLY = 3


def session_options(intra_op: int) -> onnxruntime.SessionOptions:
    """Float32 stays float32, and `intra_op` threads share the operations of a request; 0 is one a core.

    Operations run one after the other. The parallel execution mode runs branches of one request at the same time, of
    which ResNet50 has few: docs/serving.md has what was measured of it, and of spinning.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = intra_op
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # A thread that waits for the next operation by spinning takes its core from the threads that decode requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Its default today. On Arm it would compute products of float32 in bfloat16, which is another model.
    options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
    return options
