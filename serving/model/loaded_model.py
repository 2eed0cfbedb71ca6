"""A version of a SavedModel, loaded and ready to run. Imports TensorFlow."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from serving.errors import Code, ServingError
from serving.model.frozen import Call, NotFreezableError, frozen
from serving.model.signature import Computation, InputSpec, Outputs, Signature, Tensors
from stacks.server.models import DEFAULT_SIGNATURE

_WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
_CODES = {code.value[0]: code for code in Code}
_log = logging.getLogger(__name__)


class ConversionError(ValueError):
    """The model cannot be converted for a runtime, or answers differently then."""


class SavedModel:
    """A version of a model, whatever computes it. `warm_up` makes the first request fast.

    `intra_op` and `inter_op` are the threads of the serving settings; 0 is the runtime's choice.
    """

    signatures: Mapping[str, Signature]
    computation: Computation | None = None
    """Of a converted model; None where TensorFlow computes it."""

    def __init__(self, name: str, version: int, folder: Path, intra_op: int = 0, inter_op: int = 0) -> None:
        self.name = name
        self.version = version
        self.intra_op, self.inter_op = intra_op, inter_op
        saved_model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.signature_defs = dict(saved_model.meta_graphs[0].signature_def)
        self._warmup_file = folder / _WARMUP_FILE

    def signature(self, name: str) -> Signature | None:
        """The signature called `name`, the default one if `name` is empty, None if there is none."""
        return self.signatures.get(name or DEFAULT_SIGNATURE)

    def warm_up(self, iterations: int) -> int:
        """Run each Predict record of the model's warm-up file `iterations` times; returns the number of records.

        Raises ServingError if a record does not fit the model.
        """
        # Deferred: only this function needs the stubs, and they are slow to import.
        from tensorflow_serving.apis import prediction_log_pb2  # noqa: PLC0415 - see above

        if not self._warmup_file.exists():
            return 0
        records = 0
        for record in tf.data.TFRecordDataset([str(self._warmup_file)]):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            signature = self.signature(request.model_spec.signature_name)
            if log.WhichOneof("log_type") != "predict_log" or signature is None:
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"record {records} of {self._warmup_file} is not a Predict request to a signature of this model",
                )
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            signature.check(inputs)
            for _ in range(iterations):
                signature.run(inputs)
            records += 1
        return records


class LoadedModel(SavedModel):
    """Computed by TensorFlow, whose threads are those of the process. Construction takes seconds."""

    def __init__(self, name: str, version: int, folder: Path, intra_op: int = 0, inter_op: int = 0) -> None:
        super().__init__(name, version, folder, intra_op, inter_op)
        # Not kept: only a function that could not be frozen refers to its variables.
        loaded = tf.saved_model.load(str(folder))
        self.signatures = {key: _signature(key, loaded, self.signature_defs[key]) for key in loaded.signatures}


def _signature(key: str, loaded: tf.Module, definition: meta_graph_pb2.SignatureDef) -> Signature:
    function = loaded.signatures[key]
    # TensorFlow flattens both dictionaries in order of name, and the frozen function keeps that order.
    input_names = sorted(function.structured_input_signature[1])
    output_names = sorted(function.structured_outputs)
    specs = {name: input_spec(name, definition.inputs[name]) for name in input_names}
    call = _call(key, loaded, input_names)

    def run(inputs: Tensors) -> Outputs:
        try:
            outputs = call(*(inputs[name] for name in input_names))
        except tf.errors.OpError as error:
            raise ServingError(_CODES.get(error.error_code, Code.INTERNAL), error.message) from error
        return dict(zip(output_names, outputs, strict=True))

    return Signature(key, specs, tuple(output_names), run)


def _call(key: str, loaded: tf.Module, input_names: Sequence[str]) -> Call:
    """A signature's function frozen; as it is where that cannot be, for example because it writes to a variable."""
    try:
        return frozen(loaded.signatures[key])
    except NotFreezableError as error:
        _log.warning("signature %s runs unfrozen, which is slower: %s", key, error)

    def unfrozen(*values: NDArray[Any]) -> Sequence[NDArray[Any]]:
        tensors = {name: tf.constant(value) for name, value in zip(input_names, values, strict=True)}
        outputs = loaded.signatures[key](**tensors)
        return [output.numpy() for output in tf.nest.flatten(outputs)]

    return unfrozen


def input_spec(name: str, info: meta_graph_pb2.TensorInfo) -> InputSpec:
    """What a signature of a SavedModel says of an input."""
    shape = tf.TensorShape(info.tensor_shape)
    dtype = np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
    return InputSpec(name, dtype, None if shape.rank is None else tuple(shape.as_list()))
