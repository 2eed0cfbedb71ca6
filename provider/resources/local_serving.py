"""The local server as a resource: a process on the loopback that outlives the update and is found again by the next."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

import psutil
from pydantic.alias_generators import to_camel

from loadtest.run.payload import rest_body
from provider.resource import UNKNOWN, Operation, Props, Resource, ResourceError
from provider.resources.server_process import ProcessIdentity, last_lines, start_apart
from serving.command import SERVER_NAME, server_command, write_batching_file, write_monitoring_file
from stacks.serving_variant import ServingVariant, fingerprint

LOOPBACK = "127.0.0.1"
_REAL_SERVER = "tensorflow_model_server"
_POLL_S = 0.25
_FIRST_PREDICTION_TIMEOUT_S = 60.0

_VARIANT = tuple(map(to_camel, ServingVariant.model_fields))
# What makes a measurement of it a different one; where it runs and how long it may take to start do not.
_FINGERPRINTED = ("modelDigest", "server", "serverVersion", *_VARIANT)


class LocalServing(Resource):
    """Inputs: modelName, modelPath, modelDigest, the fields of a ServingVariant, server, restPort, grpcPort,
    startTimeoutS, stateDir. Outputs: restUrl, grpcAddress, pid, startedAs, log, serverVersion, fingerprint.
    """  # noqa: D205 - one sentence of names

    token: ClassVar[str] = "shapebench:local:LocalServing"  # noqa: S105 - Pulumi's word for a type's name
    triggers: ClassVar[frozenset[str]] = frozenset({*_FINGERPRINTED, "modelPath", "restPort", "grpcPort", "stateDir"})

    def check(self, inputs: Props) -> Props:
        """Settles which server runs and in which version, so that a preview sees a change of either."""
        executable = shutil.which(_REAL_SERVER)
        if inputs["server"] == _REAL_SERVER and executable is None:
            raise ResourceError(
                f"shapebench:local.server is {_REAL_SERVER}, but there is none on PATH, so nothing would serve;"
                " install it, or set shapebench:local.server to embedded"
            )
        real = executable is not None and inputs["server"] not in {"embedded", SERVER_NAME}
        command = [executable] if real and executable else [sys.executable, "-m", "serving.server"]
        return inputs | {
            "server": _REAL_SERVER if real else SERVER_NAME,
            "serverVersion": _version_of(command),
        }

    def changed(self, state: Props, inputs: Props) -> list[str]:
        """Also when the process died since: then it is started again."""
        changed = super().changed(state, inputs)
        return changed if _identity(state).alive else [*changed, "pid"]

    def preview(self, inputs: Props) -> Props:
        return inputs | _endpoints(inputs) | {"fingerprint": _fingerprint(inputs)}

    def create(self, inputs: Props, operation: Operation) -> Props:
        record = Path(inputs["stateDir"]) / "server.json"
        _stop_forgotten(record)
        for key, port in (("restPort", inputs["restPort"]), ("grpcPort", inputs["grpcPort"])):
            _require_free(key, port)
        log = Path(inputs["stateDir"]) / "server.log"
        process = start_apart(_command(inputs), log)
        record.write_text(json.dumps({"pid": process.pid, "started": process.started}), encoding="utf-8")
        try:
            _wait_until_it_serves(inputs, process, log, operation)
        except BaseException:
            process.stop()
            record.unlink(missing_ok=True)
            raise
        operation.say(f"{inputs['server']} {inputs['serverVersion']} serves on {_endpoints(inputs)['restUrl']}")
        return self.preview(inputs) | {"pid": process.pid, "startedAs": process.started, "log": str(log)}

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:
        _identity(state).stop()
        return self.create(inputs, operation)

    def read(self, state: Props) -> Props | None:
        return state if _identity(state).alive else None

    def delete(self, state: Props, operation: Operation) -> None:  # noqa: ARG002 - ends within its own bounds
        _identity(state).stop()
        (Path(state["stateDir"]) / "server.json").unlink(missing_ok=True)


def _identity(state: Props) -> ProcessIdentity:
    return ProcessIdentity(state["pid"], state["startedAs"])


def _endpoints(inputs: Props) -> Props:
    return {
        "restUrl": f"http://{LOOPBACK}:{inputs['restPort']}",
        "grpcAddress": f"{LOOPBACK}:{inputs['grpcPort']}",
    }


def _fingerprint(inputs: Props) -> Any:  # noqa: ANN401 - text, or UNKNOWN in a preview
    parts = {name: inputs.get(name) for name in _FINGERPRINTED}
    if UNKNOWN in parts.values():
        return UNKNOWN
    return fingerprint(parts)


def _version_of(command: list[str]) -> str:
    """The last word of the first line that `--version` prints; both servers end it with their version."""
    answer = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=60)
    lines = (answer.stdout or answer.stderr).splitlines()
    if answer.returncode or not lines:
        raise ResourceError(f"`{' '.join(command)} --version` failed, so the server cannot be named: {answer.stderr}")
    return lines[0].split()[-1]


def _command(inputs: Props) -> list[str]:
    state_dir = Path(inputs["stateDir"])
    state_dir.mkdir(parents=True, exist_ok=True)
    monitoring_file = state_dir / "monitoring.config"
    write_monitoring_file(monitoring_file)
    variant = ServingVariant.model_validate({name: inputs.get(name) for name in _VARIANT})
    batching_file = None
    if variant.batching:
        batching_file = state_dir / "batching.config"
        write_batching_file(variant.batching, batching_file)
    return server_command(
        shutil.which(_REAL_SERVER) if inputs["server"] == _REAL_SERVER else None,
        model_name=inputs["modelName"],
        model_base_path=inputs["modelPath"],
        rest_port=inputs["restPort"],
        grpc_port=inputs["grpcPort"],
        variant=variant,
        batching_file=batching_file,
        monitoring_file=monitoring_file,
    )


def _stop_forgotten(record: Path) -> None:
    """End a server of this stack that no state knows of: an update was killed after starting it."""
    if record.is_file():
        ProcessIdentity(**json.loads(record.read_text(encoding="utf-8"))).stop()
        record.unlink()


def _require_free(key: str, port: int) -> None:
    with socket.socket() as probe:
        # As the servers themselves do: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise ResourceError(
                f"shapebench:local.{key} is {port}, and {_holder_of(port)} listens there already, so the server could"
                f" not; stop that, or choose another: pulumi config set --path shapebench:local.{key} {port + 10}"
            ) from None


def _holder_of(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        listens_here = connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
        if listens_here and connection.pid:
            return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another process"


def _wait_until_it_serves(inputs: Props, process: ProcessIdentity, log: Path, operation: Operation) -> None:
    """Until the model is AVAILABLE and has answered one real prediction; raises ResourceError with the log's end."""
    url = f"{_endpoints(inputs)['restUrl']}/v1/models/{inputs['modelName']}"
    started = time.monotonic()
    while not _is_available(url):
        elapsed_s = time.monotonic() - started
        operation.show(f"waiting for the server to load the model, {elapsed_s:.0f} s")
        if not process.alive:
            raise ResourceError(f"the server ended before it served. Its log ({log}) ends:\n{last_lines(log)}")
        if elapsed_s > inputs["startTimeoutS"]:
            raise ResourceError(
                f"the server did not serve within shapebench:local.startTimeoutS ({inputs['startTimeoutS']} s) and was"
                f" ended; give it longer, or see why. Its log ({log}) ends:\n{last_lines(log)}"
            )
        if operation.cancelled.wait(_POLL_S):
            raise ResourceError("the start of the server was interrupted, and it was ended")
    _require_a_prediction(f"{url}:predict", log)


def _is_available(url: str) -> bool:
    """Whether some version is AVAILABLE: the status page answers 200 whatever the state."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http on the loopback, made above
            versions = json.load(answer).get("model_version_status", [])
    except (OSError, ValueError):
        return False
    return any(version.get("state") == "AVAILABLE" for version in versions)


def _require_a_prediction(url: str, log: Path) -> None:
    request = urllib.request.Request(url, data=rest_body(), headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_FIRST_PREDICTION_TIMEOUT_S) as answer:  # noqa: S310 - as above
            predictions = json.load(answer).get("predictions")
    except urllib.error.HTTPError as error:
        detail = error.read().decode(errors="replace")[:500]
        raise ResourceError(f"the server is up but refuses a real request ({error.code}): {detail}") from None
    except OSError as error:
        raise ResourceError(
            f"the server died on its first request ({error}). Its log ends:\n{last_lines(log)}"
        ) from None
    if not predictions:
        raise ResourceError("the server answered its first request without predictions")
