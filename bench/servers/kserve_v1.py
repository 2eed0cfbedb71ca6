"""KServe's V1 server with our model. It runs in KServe's own Python environment, without our packages."""

import os
import sys
from typing import Any

import numpy as np
import tensorflow as tf
import uvicorn
from kserve import Model, ModelServer  # type: ignore[import-not-found] # in another environment


class SavedModel(Model):  # type: ignore[misc] # the same
    """A SavedModel behind `/v1/models/<name>:predict`."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self._signature = tf.saved_model.load(path).signatures["serving_default"]
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: Any = None) -> dict[str, Any]:  # noqa: ANN401, ARG002 - theirs
        """Answer one V1 request: a list of instances in, a list of predictions out."""
        images = tf.constant(np.array(payload["instances"], dtype=np.float32))
        return {"predictions": self._signature(image_input=images)["resnet50"].numpy().tolist()}


def main(path: str, port: int, threads: int) -> None:
    """Serve the model version at `path` on the loopback until the process is ended."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    configure = uvicorn.Config.__init__

    # KServe listens on every interface and has no option to change that.
    def configure_on_loopback(self: uvicorn.Config, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - theirs
        configure(self, *arguments, **{**options, "host": "127.0.0.1"})

    uvicorn.Config.__init__ = configure_on_loopback  # type: ignore[method-assign] # see above
    model = SavedModel("resnet", path)
    ModelServer(http_port=port, enable_grpc=False).start([model])


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
