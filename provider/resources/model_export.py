"""The exported model: made by a process of its own, so that the plugin never loads TensorFlow."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

from loadtest.run.remote_model import RemoteModel, Report, fetch
from provider.resource import Operation, Props, Resource, ResourceError, ResourceInputs, ResourceState
from stacks.explain import SettingsError

_CANCEL_POLL_S = 0.2
_ERROR_LINES = 12
# Where the output is not a terminal, each status is a line.
_STATUS_INTERVAL_S = 5.0
# TensorFlow's own log, which no environment variable silences before it is set up: lines in the format of
# https://abseil.io/docs/cpp/guides/logging, and the warning that they come early.
_TENSORFLOW_LOG = re.compile(r"[IWEF]\d{4} \d\d:|WARNING: All log messages before absl::InitializeLog")


class ModelExportInputs(ResourceInputs):
    """components.serving.model_export.ModelExportArgs, as the engine sends it."""

    weights: str
    cache_dir: str
    name: str
    folder: str | None = None
    stamp: str
    remote: RemoteModel | None = None


class ModelExportState(ResourceState):
    """`path` is the folder that holds the version folders; `remote` is what was copied to `folder`."""

    path: str
    folder: str | None = None
    remote: RemoteModel | None = None


class ModelExport(Resource[ModelExportInputs, ModelExportState]):
    """Outputs: path (holds version folders), digest, usedWeights."""

    token: ClassVar[str] = "shapebench:local:ModelExport"  # noqa: S105 - Pulumi's name for a type
    inputs = ModelExportInputs
    state = ModelExportState
    triggers: ClassVar[frozenset[str]] = frozenset({"weights", "cacheDir", "name", "folder", "stamp"})

    def exists(self, state: ModelExportState) -> bool:
        if state.remote and state.folder and state.remote.missing_in(Path(state.folder)):
            return False
        # It may be a link to the user's own model.
        return any(path.is_dir() for path in Path(state.path).glob("*"))

    def stale_outputs(self, state: ModelExportState) -> list[str]:
        """The path, when the cache was cleared or a copied file has another size."""
        return [] if self.exists(state) else ["path"]

    def run_create(self, inputs: ModelExportInputs, operation: Operation) -> Props:
        if inputs.remote and inputs.folder:
            try:
                fetch(inputs.remote, Path(inputs.folder), _reporter(operation))
            except SettingsError as error:
                raise ResourceError(str(error)) from None
        which = ["--model", inputs.folder, "--name", inputs.name] if inputs.folder else ["--weights", inputs.weights]
        arguments = [*which, "--cache", inputs.cache_dir, "--parent", str(os.getpid())]
        exported = json.loads(_run([sys.executable, "-m", "serving.export", *arguments], operation))
        operation.info(f"model {exported['name']}, {exported['weights']} weights, sha256 {exported['digest'][:12]}")
        return {
            "path": exported["path"],
            "digest": exported["digest"],
            "usedWeights": exported["weights"],
        }


def _reporter(operation: Operation) -> Report:
    """Shows the progress of a copy now and then, and ends it when the operation is cancelled."""
    shown_at = 0.0

    def report(progress: str) -> None:
        nonlocal shown_at
        if operation.cancelled.is_set():
            raise ResourceError("the copy of the model was cancelled; run `pulumi up` again to go on with it")
        if time.monotonic() - shown_at >= _STATUS_INTERVAL_S:
            shown_at = time.monotonic()
            operation.status(progress)

    return report


def _run(command: list[str], operation: Operation) -> str:
    """The command's standard output; what it says on the other is the status. Killed when the operation is cancelled.

    The log of TensorFlow is shown only if the command fails.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    errors: list[str] = []

    def relay() -> None:
        for line in process.stderr or ():
            errors.append(line.rstrip())
            if not _TENSORFLOW_LOG.match(line):
                operation.status(line.rstrip())

    relaying = threading.Thread(target=relay, daemon=True)
    relaying.start()
    try:
        while process.poll() is None:
            if operation.cancelled.wait(_CANCEL_POLL_S):
                raise ResourceError("the model's export was cancelled; run `pulumi up` again to finish it")
    finally:
        process.kill()  # does nothing where it has ended
        process.wait()
    relaying.join()
    output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        lines = "\n".join(f"  {line}" for line in errors[-_ERROR_LINES:])
        raise ResourceError(
            f"the model could not be exported (exit code {process.returncode}), so there is nothing to serve; correct"
            f" the cause, and run `pulumi up` again. The end of its output:\n{lines}"
        )
    return output
