"""The model as both APIs serve it: predictions, batched if batching is on, status and metadata."""

from collections.abc import Sequence

from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from serving.errors import Code, ServingError, invalid_argument
from serving.metrics import Metrics
from serving.model.batching import Batcher
from serving.model.loaded_model import SavedModel
from serving.model.signature import Outputs, Run, Signature, Tensors
from stacks.server.serving_variant import Batching


class ServedModel:
    def __init__(self, model: SavedModel, batching: Batching | None, metrics: Metrics) -> None:
        self.metrics = metrics
        self.model = model
        # One batcher per signature, as in TF Serving: only calls of the same signature can be merged.
        self._batchers = (
            {name: Batcher(signature.run, batching, metrics) for name, signature in model.signatures.items()}
            if batching
            else {}
        )

    def find(self, name: str, version: int | None = None, label: str | None = None) -> SavedModel:
        """The model that a request names. Raises NOT_FOUND; INVALID_ARGUMENT if it names none, or a label."""
        if not name:
            raise invalid_argument("Missing model name in request: ModelSpec has no name specified.")
        if label:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        if name != self.model.name or version not in {None, self.model.version}:
            servable = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {servable}")
        return self.model

    def predict(self, signature: Signature, inputs: Tensors, output_filter: Sequence[str] = ()) -> Outputs:
        """Run `inputs`, in a batch if batching is on. Raises ServingError for an invalid request."""
        signature.check(inputs)
        names = _output_names(signature, output_filter)
        run: Run = self._batchers.get(signature.name, signature.run)
        with self.metrics.runtime():
            outputs = run(inputs)
        return {name: outputs[name] for name in names}

    def status(self, name: str, version: int | None = None) -> get_model_status_pb2.GetModelStatusResponse:
        """The state of a model: AVAILABLE, because the server answers only after loading and warm-up."""
        if name != self.model.name:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        if version not in {None, self.model.version}:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(
            version=self.model.version, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
        ).status.error_message = ""
        return response

    def close(self) -> None:
        """Answer the requests that wait in batch queues, then stop."""
        for batcher in self._batchers.values():
            batcher.close()


def find_signature(model: SavedModel, name: str) -> Signature:
    """The signature of this name, empty for the default one. Raises INVALID_ARGUMENT."""
    if (signature := model.signature(name)) is None:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    return signature


def signature_def_map(model: SavedModel) -> get_model_metadata_pb2.SignatureDefMap:
    """The signatures of a model, as both APIs answer a request for metadata."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for key, definition in model.signature_defs.items():
        signatures.signature_def[key].CopyFrom(definition)
    return signatures


def model_spec(model: SavedModel, signature_name: str = "") -> model_pb2.ModelSpec:
    """The model, version and signature that a response names."""
    spec = model_pb2.ModelSpec(name=model.name, signature_name=signature_name)
    spec.version.value = model.version
    return spec


def _output_names(signature: Signature, output_filter: Sequence[str]) -> Sequence[str]:
    for name in output_filter:
        if name not in signature.output_names:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(signature.output_names)}}}."
            )
    if len(set(output_filter)) < len(output_filter):
        raise invalid_argument(f"duplicate output tensor alias in {list(output_filter)}")
    return output_filter or signature.output_names
