"""What REST and gRPC share: finding the model, running a request through it, and saying what state it is in."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from serving.api.errors import Code, ServingError, invalid_argument
from serving.api.metrics import Metrics
from serving.model.batching import Batcher
from serving.model.model import Model
from serving.model.signature import Signature, Tensors
from stacks.serving_variant import Batching

Run = Callable[[Tensors], dict[str, NDArray[Any]]]


class ServerCore:
    """One loaded model behind both APIs."""

    def __init__(self, model: Model, batching: Batching | None, metrics: Metrics) -> None:
        self.metrics = metrics
        self._model = model
        # TF Serving batches per signature as well: only equal calls can be merged.
        self._batchers = (
            {name: Batcher(signature.run, batching, metrics) for name, signature in model.signatures.items()}
            if batching
            else {}
        )

    def find_model(self, name: str, version: int | None = None, label: str | None = None) -> Model:
        """The model that a request names. Raises NOT_FOUND or, for a label, INVALID_ARGUMENT."""
        if not name:
            raise invalid_argument("Missing model name in request: ModelSpec has no name specified.")
        if label:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        if name != self._model.name or version not in {None, self._model.version}:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return self._model

    def predict(
        self, signature: Signature, inputs: Tensors, output_filter: Sequence[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """Run `inputs`, in a batch where batching is on. Raises ServingError for whatever the request has wrong."""
        signature.check(inputs)
        names = _wanted_outputs(signature, output_filter)
        run: Run = self._batchers.get(signature.name, signature.run)
        with self.metrics.runtime():
            outputs = run(inputs)
        return {name: outputs[name] for name in names}

    def status(self, name: str, version: int | None = None) -> get_model_status_pb2.GetModelStatusResponse:
        """The state of a model. There is a server only once the model is loaded and warm, so it is AVAILABLE."""
        if name != self._model.name:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        if version not in {None, self._model.version}:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(
            version=self._model.version, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
        ).status.error_message = ""
        return response

    def metadata(self, model: Model) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a model, as GetModelMetadata answers them."""
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, definition in model.signature_defs.items():
            signatures.signature_def[key].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=model_spec(model))
        response.metadata["signature_def"].Pack(signatures)
        return response

    def close(self) -> None:
        """Answer what waits in a batch queue, then stop."""
        for batcher in self._batchers.values():
            batcher.close()


def model_spec(model: Model, signature_name: str = "") -> model_pb2.ModelSpec:
    """What a response says it was answered by."""
    spec = model_pb2.ModelSpec(name=model.name, signature_name=signature_name)
    spec.version.value = model.version
    return spec


def _wanted_outputs(signature: Signature, output_filter: Sequence[str]) -> Sequence[str]:
    for name in output_filter:
        if name not in signature.output_names:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(signature.output_names)}}}."
            )
    if len(set(output_filter)) < len(output_filter):
        raise invalid_argument(f"duplicate output tensor alias in {list(output_filter)}")
    return output_filter or signature.output_names
