"""A model for MLServer, which runs it in its own environment, without our packages."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

WEIGHTS = np.array([[0.5, -1.0], [0.25, 2.0], [1.5, 0.125]], np.float32)


class Scores(MLModel):
    """Scores of numbers and of the length of a text, which it gives back as the label."""

    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = {tensor.name: tensor for tensor in payload.inputs}
        texts = StringCodec.decode_input(inputs["text"])
        lengths = np.array([[len(text)] for text in texts], np.float32)
        scores = NumpyCodec.decode_input(inputs["x"]).astype(np.float32) @ WEIGHTS + lengths
        # The codec for text would make two dimensions of one.
        label = ResponseOutput(name="label", datatype="BYTES", shape=[len(texts)], data=texts)
        outputs = [NumpyCodec.encode_output("scores", scores), label]
        return InferenceResponse(model_name=self.name, model_version="1", outputs=outputs)
