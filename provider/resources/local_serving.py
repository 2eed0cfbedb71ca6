"""The local server: a process on the loopback that outlives the update, and that the next update finds again."""

import subprocess
from pathlib import Path
from typing import Any, ClassVar

from pydantic.alias_generators import to_camel

from provider.local.server_process import ProcessIdentity, start_detached, stop_all, successor
from provider.local.startup import LOOPBACK, Readiness, require_free_port, wait_until_serving
from provider.resource import UNKNOWN, Operation, Props, Resource, ResourceError, ResourceInputs, ResourceState
from serving.servers import Apis, command_of, installed_server, server_named, write_config_files
from stacks.server.models import Model
from stacks.server.serving_variant import ServingVariant, fingerprint

# What makes measurements comparable; ports, folders, time-outs and the quota of gRPC's threads do not matter.
_FINGERPRINTED = ("modelDigest", "server", "serverVersion", "restThreads", *map(to_camel, ServingVariant.model_fields))


class LocalServingInputs(ResourceInputs, ServingVariant):
    """components.serving.local_serving.LocalServingArgs, as the engine sends it."""

    model: Model
    model_path: str
    model_digest: str
    server: str
    server_version: str | None = None
    """Set by `check`."""
    grpc_threads: int
    rest_threads: int
    rest_port: int
    grpc_port: int
    start_timeout_s: float
    state_dir: str

    @property
    def apis(self) -> Apis:
        return Apis(
            rest_port=self.rest_port,
            grpc_port=self.grpc_port,
            rest_threads=self.rest_threads,
            grpc_threads=self.grpc_threads,
        )

    @property
    def rest_url(self) -> str:
        return f"http://{LOOPBACK}:{self.rest_port}"


class LocalServingState(ResourceState):
    """The process that was started, and its folder."""

    pid: int
    started_as: str
    state_dir: str

    @property
    def process(self) -> ProcessIdentity:
        """The process that serves: the one that was started, or the one that a load test has put in its place."""
        started = ProcessIdentity(self.pid, self.started_as)
        return started if started.alive else successor(started, Path(self.state_dir)) or started


class LocalServing(Resource[LocalServingInputs, LocalServingState]):
    """Outputs: restUrl, grpcAddress, pid, startedAs, log, fingerprint; server and serverVersion are inputs, too."""

    token: ClassVar[str] = "shapebench:local:LocalServing"  # noqa: S105 - Pulumi's name for a type
    inputs = LocalServingInputs
    state = LocalServingState
    triggers: ClassVar[frozenset[str]] = frozenset(
        {*_FINGERPRINTED, "grpcThreads", "modelPath", "restPort", "grpcPort", "stateDir"}
    )

    def check(self, inputs: Props) -> Props:
        """Decides which server runs, in which version, so that a preview shows a change of either."""
        parsed = self.inputs.parse(inputs)
        setting = parsed.server
        server = installed_server() if setting == "auto" else server_named(setting)
        executable = server.executable()
        if executable is None:
            raise ResourceError(
                f"shapebench:local.server is {server.facts.setting}, but there is none on PATH, so nothing would serve;"
                " install it, or set shapebench:local.server to embedded"
            )
        if parsed.sent_over not in server.facts.protocols:
            spoken = " or ".join(protocol.name for protocol in server.facts.protocols)
            raise ResourceError(
                f"shapebench:serving.protocol is {parsed.protocol}, which {server.facts.title} does not speak; set it"
                f" to {spoken}, or shapebench:local.server to embedded"
            )
        if reason := server.why_not(parsed.model):
            raise ResourceError(
                f"shapebench:local.server is {server.facts.setting}, which cannot serve this model: {reason}; set"
                " shapebench:local.server to embedded"
            )
        return inputs | {"server": server.facts.name, "serverVersion": _version_of(executable)}

    def stale_outputs(self, state: LocalServingState) -> list[str]:
        """The pid, when the process has ended."""
        return [] if state.process.alive else ["pid"]

    def known_outputs(self, inputs: LocalServingInputs) -> Props:
        return {
            "restUrl": inputs.rest_url,
            "grpcAddress": f"{LOOPBACK}:{inputs.grpc_port}",
            "fingerprint": _fingerprint(inputs),
        }

    def run_create(self, inputs: LocalServingInputs, operation: Operation) -> Props:
        state_dir = Path(inputs.state_dir)
        stop_all(state_dir, operation.info)
        require_free_port("restPort", inputs.rest_port)
        require_free_port("grpcPort", inputs.grpc_port)
        log = state_dir / "server.log"
        kind = server_named(inputs.server)
        command = command_of(
            kind,
            inputs,
            inputs.apis,
            model_name=inputs.model.name,
            model_base_path=inputs.model_path,
            config_dir=state_dir,
        )
        try:
            write_config_files(kind, inputs, state_dir)
            process = start_detached(command, log, kind.environment(inputs))
        except OSError as error:
            raise ResourceError(
                f"the server was not started, because its files in {state_dir} cannot be written or its program cannot"
                f" be run: {error}; free disk space or correct the permissions, then run `pulumi up` again"
            ) from error
        readiness = Readiness.of(inputs.server, inputs.model.name, inputs.rest_url, inputs.start_timeout_s)
        wait_until_serving(process, log, readiness, operation)
        operation.info(f"{inputs.server} {inputs.server_version} serves on {inputs.rest_url} until `pulumi destroy`")
        started = {"pid": process.pid, "startedAs": process.started, "log": str(log)}
        return self.known_outputs(inputs) | started

    def run_update(self, state: LocalServingState, inputs: LocalServingInputs, operation: Operation) -> Props:
        state.process.stop()
        return self.run_create(inputs, operation)

    def exists(self, state: LocalServingState) -> bool:
        return state.process.alive

    def run_delete(self, state: LocalServingState, operation: Operation) -> None:  # noqa: ARG002 - stops within seconds
        state.process.stop()


def _fingerprint(inputs: LocalServingInputs) -> Any:  # noqa: ANN401 - text, or UNKNOWN in a preview
    if any(value is UNKNOWN for _, value in inputs):
        return UNKNOWN
    # The names inside `batching` are snake_case, as in the properties.
    parts = {to_camel(name): value for name, value in inputs.model_dump().items()}
    return fingerprint({name: parts[name] for name in _FINGERPRINTED})


def _version_of(command: list[str]) -> str:
    """The last word of the first line that `--version` prints; every server ends it with its version."""
    answer = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=60)
    lines = (answer.stdout or answer.stderr).splitlines()
    if answer.returncode or not lines:
        raise ResourceError(
            f"`{' '.join(command)} --version` failed or printed nothing (exit code {answer.returncode}), so the"
            " server's version is not known and no run could record it; correct the cause, or, if this is not the"
            " embedded server, set shapebench:local.server to embedded; it printed:"
            f" {(answer.stderr or answer.stdout).strip() or 'nothing'}"
        )
    return lines[0].split()[-1]
