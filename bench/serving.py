"""The embedded server compared with bare calls of the same model, on each runtime, and with KServe.

The sides take turns within each round and a ratio is of one round, because the machine's speed drifts; figures are
medians over the rounds. Each side is a process with the same thread pools, and the clients share the servers' cores.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.figures import BUILD, Figure, argument_parser, progress, report, start
from bench.generators.our_generator import photograph_body
from bench.servers import processes as servers
from bench.servers.own_environment import python_with
from loadtest.run.payload import payload_of
from serving.export.exporter import DEFAULT_CACHE, export
from serving.servers import server_named
from stacks.server.models import RESNET50
from stacks.server.servers import ONNX_RUNTIME, OPENVINO

_REQUIREMENTS = Path("tools/requirements/bench.txt")
_THREADS = os.cpu_count() or 1
_SATURATING_USERS = 8
_TOLERANCE = 1e-4
# Without KServe, whose environment is another TensorFlow: minutes, and 2 GB.
SMALLEST = ("--rounds", "1", "--seconds", "0.5", "--without-kserve")
_CONVERTING = (ONNX_RUNTIME.setting, OPENVINO.setting)
# What requests are sent over, and the API of the port.
_PORTS_OF = {"rest": "rest", "grpc": "grpc", "v2-binary": "rest"}
# The compared pairs, with the bars of p50 at one user and of throughput at saturation (issue 3). The bars are against
# the plain call; the ratio to the frozen call is the cost of HTTP, gRPC, JSON and Python.
_RATIOS = {
    ("rest", "bare"): ("<= 1.10", ">= 0.90"),
    ("grpc", "bare"): ("<= 1.05", ">= 0.95"),
    ("rest", "bare-frozen"): (None, None),
    ("grpc", "bare-frozen"): (None, None),
    **{
        (f"{runtime}-{protocol}", f"{runtime}-bare"): ("<= 1.08", ">= 0.92")
        for runtime in _CONVERTING
        for protocol in _PORTS_OF
    },
    **{(f"{runtime}-bare", "bare-frozen"): (None, None) for runtime in _CONVERTING},
    ("kserve", "bare"): (None, None),
}


@dataclass(frozen=True)
class Turn:
    """One side in one round."""

    p50_ms: float
    throughput_rps: float


Rounds = dict[str, list[Turn]]


class Side:
    """A process of `bench.generators.timed_calls`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def measure(self, users: int, seconds: float) -> Turn:
        result = self._run({"users": users, "seconds": seconds, "answer": False})
        latencies_ms = result["latencies_ms"]
        return Turn(median(latencies_ms), len(latencies_ms) / result["elapsed_s"])

    def answer(self) -> Any:  # noqa: ANN401 - a nested list
        return self._run({"users": 1, "seconds": 0, "answer": True})["answer"]

    def _run(self, task: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process {self._process.args!r} ended with {self._process.wait()}")
        return dict(json.loads(line))


def main() -> None:
    parser = argument_parser("serving", __doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of one turn")
    parser.add_argument("--without-kserve", action="store_true", help="do not install and measure KServe")
    options = start(parser, ["tensorflow", "keras", "fastapi", "uvicorn", "grpcio", "pysimdjson"])
    exported = export("auto", DEFAULT_CACHE)
    print(f"model {exported['name']}, weights {exported['weights']}, digest {exported['digest'][:12]}")
    model = Path(exported["path"])
    payload = _payload(1)
    with ExitStack() as running:
        called = {(each, each): port for each, port in running.enter_context(servers.embedded(model, _THREADS)).items()}
        for runtime in _CONVERTING:
            ports = running.enter_context(servers.embedded(model, _THREADS, server_named(runtime)))
            called |= {(f"{runtime}-{each}", each): ports[api] for each, api in _PORTS_OF.items()}
        with ExitStack() as of_five:
            _check_agreement(_sides(of_five, model, _payload(5), called), 5)
        sides = _sides(running, model, payload, called)
        if not options.without_kserve:
            kserve_port = running.enter_context(_kserve(model))
            sides["kserve"] = running.enter_context(side("rest", str(kserve_port), payload["rest"]))
        _check_agreement(sides, 1)
        alone = _rounds(sides, 1, options.rounds, options.seconds)
        saturated = _rounds(sides, _SATURATING_USERS, options.rounds, options.seconds)
    report("serving", _figures(alone, saturated))


def _rounds(sides: dict[str, Side], users: int, rounds: int, seconds: float) -> Rounds:
    measured: Rounds = {name: [] for name in sides}
    for side in sides.values():
        side.measure(users, min(seconds, 2.0))  # warm-up: connections and first traces
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            measured[name].append(side.measure(users, seconds))
        latest = ", ".join(f"{name} {runs[-1].throughput_rps:.1f}/s" for name, runs in measured.items())
        progress(f"  {users} user(s), round {number} of {rounds}: {latest}")
    return measured


def _figures(alone: Rounds, saturated: Rounds) -> list[Figure]:
    figures = []
    at_saturation = f"throughput, {_SATURATING_USERS} users"
    for name, turns in alone.items():
        saturated_rps = median(turn.throughput_rps for turn in saturated[name])
        figures += [
            Figure(f"{name}: p50, 1 user", median(turn.p50_ms for turn in turns), "ms"),
            Figure(f"{name}: throughput, 1 user", median(turn.throughput_rps for turn in turns), "requests/s"),
            Figure(f"{name}: {at_saturation}", saturated_rps, "requests/s"),
        ]
    for (name, base), (p50_bar, throughput_bar) in _RATIOS.items():
        if name in alone:
            p50s = [turn.p50_ms / other.p50_ms for turn, other in zip(alone[name], alone[base], strict=True)]
            rates = [
                turn.throughput_rps / other.throughput_rps
                for turn, other in zip(saturated[name], saturated[base], strict=True)
            ]
            figures += [
                Figure(f"{name} / {base}: p50, 1 user", median(p50s), "x", p50_bar),
                Figure(f"{name} / {base}: {at_saturation}", median(rates), "x", throughput_bar),
            ]
    return figures


def _check_agreement(sides: dict[str, Side], batch: int) -> None:
    answers = {name: np.array(side.answer()) for name, side in sides.items()}
    for name, answer in answers.items():
        difference = float(np.abs(answer - answers["bare"]).max())
        if answer.shape != (batch, 1000) or not difference <= _TOLERANCE:
            raise RuntimeError(f"{name} answers {answer.shape}, {difference} off the bare call, for {batch} images")
        progress(f"  {name} is within {difference:.1e} of the bare call, {batch} image(s)")


def _payload(batch: int) -> dict[str, str]:
    """Files with the same images, in the format of each side."""
    payload = payload_of(RESNET50).repeated(batch)
    (request,) = payload.requests
    (image,) = request.inputs
    BUILD.mkdir(parents=True, exist_ok=True)
    images = BUILD / f"payload-{batch}.npy"
    np.save(images, np.frombuffer(image.data, image.stored).reshape(image.shape).astype(image.dtype))
    bodies = {protocol: BUILD / f"payload-{batch}.{protocol}" for protocol in _PORTS_OF}
    for protocol, body in bodies.items():
        body.write_bytes(photograph_body(protocol, batch))
    return {"images": str(images), **{protocol: str(body) for protocol, body in bodies.items()}}


def _sides(
    running: ExitStack, model: Path, payload: dict[str, str], called: dict[tuple[str, str], int]
) -> dict[str, Side]:
    """The bare calls, and what is called over a protocol: by its name and the protocol, the port."""
    of_model = (str(model / "1"), payload["images"], str(_THREADS))
    calls: dict[str, tuple[str, ...]] = {
        kind: (kind, *of_model) for kind in ("bare", "bare-frozen", *(f"{runtime}-bare" for runtime in _CONVERTING))
    }
    for (name, protocol), port in called.items():
        calls[name] = (protocol, str(port), payload[protocol])
    return {name: running.enter_context(side(*arguments)) for name, arguments in calls.items()}


@contextmanager
def side(*arguments: str, **environment: str) -> Iterator[Side]:
    """A process that times calls: a kind of `bench.generators.timed_calls`, and that kind's arguments."""
    command = [sys.executable, "-m", "bench.generators.timed_calls", *arguments]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with servers.process(command, env=os.environ | environment, **pipes) as process:
        yield Side(process)


@contextmanager
def _kserve(model: Path) -> Iterator[int]:
    port = servers.free_port()
    command = kserve_command(python_with(_REQUIREMENTS), model / "1", port)
    with servers.ready(command, f"http://127.0.0.1:{port}/v1/models/{model.name}", "serving-kserve.log"):
        yield port


def kserve_command(python: Path | str, version_folder: Path, port: int) -> list[str]:
    return [str(python), "bench/servers/kserve_v1.py", str(version_folder), str(port), str(_THREADS)]


if __name__ == "__main__":
    main()
