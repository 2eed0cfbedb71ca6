"""The images that the project itself makes, for the node of the tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.engine.harness import CHECKOUT
from tests.engine.measured_models import exports
from tests.support.images.archive import Image
from tests.support.images.project import ProjectImages


class OwnImages(NamedTuple):
    server: Image
    """The embedded one."""
    openvino: Image
    generator: Image
    resnet_digest: str
    """The digest of the model that a stack with random weights exports."""

    def settings(self, namespace: str, model: str = "resnet", memory_mib: int = 3072) -> dict[str, Any]:
        """Those of the platform `kubernetes`, with the model in the image and room for several servers on the node."""
        return {
            "namespace": namespace,
            "servingImage": self.server.name,
            "generatorImage": self.generator.name,
            "modelUri": f"/models/{{digest}}/{model}",
            "oneANode": False,
            "pod": {"cpuMillis": 300, "memoryMib": memory_mib},
        }


def packed(models: Path) -> OwnImages:
    """Those of the servers hold the model that a stack with random weights exports, and the models in this folder."""
    # In a process of its own: an export imports TensorFlow.
    export = [sys.executable, "-m", "serving.export", "--weights", "random", "--cache", CHECKOUT / ".cache/models"]
    resnet = json.loads(subprocess.run(export, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout)
    images = ProjectImages()
    return OwnImages(*images.servers(resnet, *exports(models)), images.generator(), resnet["digest"])
