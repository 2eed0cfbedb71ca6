"""The images that the project itself makes, for the node of the tests."""

import json
import subprocess
import sys
from typing import Any, NamedTuple

from tests.engine.harness import CHECKOUT
from tests.support.images.archive import Image
from tests.support.images.project import ProjectImages


class OwnImages(NamedTuple):
    server: Image
    generator: Image

    def settings(self, namespace: str) -> dict[str, Any]:
        """Those of the platform `kubernetes`, with the model in the image and room for several servers on the node."""
        return {
            "namespace": namespace,
            "servingImage": self.server.name,
            "generatorImage": self.generator.name,
            "modelUri": "/models/{digest}/resnet",
            "oneANode": False,
            "pod": {"cpuMillis": 300, "memoryMib": 3072},
        }


def packed() -> OwnImages:
    """The server's holds the model that a stack with random weights exports."""
    # In a process of its own: an export imports TensorFlow.
    export = [sys.executable, "-m", "serving.export", "--weights", "random", "--cache", CHECKOUT / ".cache/models"]
    exported = json.loads(subprocess.run(export, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout)
    images = ProjectImages()
    return OwnImages(images.server(exported), images.generator())
