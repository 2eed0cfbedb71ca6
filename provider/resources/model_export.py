"""The exported model as a resource: made by a process of its own, so that the plugin never loads TensorFlow."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

from provider.resource import Operation, Props, Resource, ResourceError

_CANCEL_POLL_S = 0.2


class ModelExport(Resource):
    """Inputs: weights, cacheDir. Outputs: modelName, path (holds version folders), digest, usedWeights."""

    token: ClassVar[str] = "shapebench:local:ModelExport"  # noqa: S105 - Pulumi's word for a type's name
    triggers: ClassVar[frozenset[str]] = frozenset({"weights", "cacheDir"})

    def changed(self, state: Props, inputs: Props) -> list[str]:
        """Also when the cache was cleared since."""
        changed = super().changed(state, inputs)
        return changed if Path(state["path"]).is_dir() else [*changed, "path"]

    def create(self, inputs: Props, operation: Operation) -> Props:
        command = [
            sys.executable,
            "-m",
            "serving.export",
            "--weights",
            inputs["weights"],
            "--cache",
            inputs["cacheDir"],
        ]
        exported = json.loads(_run(command, operation))
        operation.say(f"model {exported['name']}, {exported['weights']} weights, sha256 {exported['digest'][:12]}")
        return inputs | {
            "modelName": exported["name"],
            "path": exported["path"],
            "digest": exported["digest"],
            "usedWeights": exported["weights"],
        }

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:  # noqa: ARG002 - made anew
        return self.create(inputs, operation)

    def read(self, state: Props) -> Props | None:
        return state if Path(state["path"]).is_dir() else None


def _run(command: list[str], operation: Operation) -> str:
    """The command's standard output; its error output is shown as it comes. Ended when the operation is cancelled."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    errors: list[str] = []

    def relay() -> None:
        for line in process.stderr or ():
            errors.append(line.rstrip())
            operation.show(line.rstrip())

    relaying = threading.Thread(target=relay, daemon=True)
    relaying.start()
    try:
        while process.poll() is None:
            if operation.cancelled.wait(_CANCEL_POLL_S):
                raise ResourceError("the export of the model was interrupted; run `pulumi up` again to finish it")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    relaying.join()
    output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        lines = "\n".join(f"  {line}" for line in errors[-12:])
        raise ResourceError(f"the model could not be exported (exit code {process.returncode}):\n{lines}")
    return output
