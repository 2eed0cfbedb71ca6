"""The embedded server beside bare calls of the same model, and beside KServe's V1 server with the same body.

`python -m bench.serving [--rounds N] [--seconds S] [--without-kserve]`. The sides take turns within each round, and
ratios are of the same round, because the machine's speed drifts: figures are medians over the rounds. Every side is a
process of its own with the same thread pools, and the clients share the cores with the servers.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Figure, describe_machine, report
from bench.servers import processes as servers
from loadtest.run.payload import photograph, rest_body
from serving.export.exporter import DEFAULT_CACHE, export

_REQUIREMENTS = Path("tools/requirements/bench.txt")
_THREADS = os.cpu_count() or 1
_SATURATING_USERS = 8
_TOLERANCE = 1e-4
# What is set against what, and the bars of p50 at one user and of throughput at saturation (issue 3). Against the plain
# call stands the bar; against the frozen one stands what HTTP, gRPC, JSON and Python cost.
_RATIOS = {
    ("rest", "bare"): ("<= 1.10", ">= 0.90"),
    ("grpc", "bare"): ("<= 1.05", ">= 0.95"),
    ("rest", "bare-frozen"): (None, None),
    ("grpc", "bare-frozen"): (None, None),
    ("kserve", "bare"): (None, None),
}


@dataclass(frozen=True)
class Payload:
    """The same images in every form that a side wants them in."""

    images: Path
    rest: Path
    grpc: Path


@dataclass(frozen=True)
class Measured:
    """One side in one round."""

    p50_ms: float
    throughput_rps: float


Rounds = dict[str, list[Measured]]


class Side:
    """A worker process of `bench.servers.bare_calls`, which measures on command."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, users: int, seconds: float) -> Measured:
        """Measure once."""
        result = self._ask({"users": users, "seconds": seconds, "answer": False})
        latencies_ms = result["latencies_ms"]
        return Measured(statistics.median(latencies_ms), len(latencies_ms) / result["elapsed_s"])

    def answer(self) -> Any:  # noqa: ANN401 - a nested list
        """What the model says to the payload, by this way."""
        return self._ask({"users": 1, "seconds": 0, "answer": True})["answer"]

    def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker {self._process.args!r} ended with {self._process.wait()}")
        return dict(json.loads(line))


def main() -> None:
    """Start all sides, check that they agree, measure them in turns, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one side in one round")
    parser.add_argument("--without-kserve", action="store_true")
    options = parser.parse_args()
    print(describe_machine(["tensorflow", "keras", "fastapi", "uvicorn", "grpcio", "pysimdjson"]))
    exported = export("auto", DEFAULT_CACHE)
    print(f"model {exported['name']}, weights {exported['weights']}, digest {exported['digest'][:12]}")
    model = Path(exported["path"])
    payload, ports = _payload(1), servers.Ports(servers.free_port(), servers.free_port())
    with ExitStack() as running:
        running.enter_context(servers.embedded(model, ports, _THREADS))
        with ExitStack() as of_five:
            _check_agreement(_entered(of_five, _sides(model, _payload(5), ports)), 5)
        sides = _entered(running, _sides(model, payload, ports))
        if not options.without_kserve:
            kserve_port = servers.free_port()
            running.enter_context(_kserve(model, kserve_port))
            sides["kserve"] = running.enter_context(_side("rest", str(kserve_port), str(payload.rest)))
        _check_agreement(sides, 1)
        alone = _rounds(sides, 1, options.rounds, options.seconds)
        saturated = _rounds(sides, _SATURATING_USERS, options.rounds, options.seconds)
    report("serving", _figures(alone, saturated))


def _rounds(sides: dict[str, Side], users: int, rounds: int, seconds: float) -> Rounds:
    measured: Rounds = {name: [] for name in sides}
    for side in sides.values():
        side.run(users, min(seconds, 2.0))  # connections and first traces, not counted
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            measured[name].append(side.run(users, seconds))
        latest = ", ".join(f"{name} {runs[-1].throughput_rps:.1f}/s" for name, runs in measured.items())
        print(f"  {users} user(s), round {number} of {rounds}: {latest}", file=sys.stderr, flush=True)
    return measured


def _figures(alone: Rounds, saturated: Rounds) -> list[Figure]:
    figures = []
    for name in alone:
        figures += [
            Figure(f"{name}: p50, 1 user", _median(run.p50_ms for run in alone[name]), "ms"),
            Figure(f"{name}: throughput, 1 user", _median(run.throughput_rps for run in alone[name]), "requests/s"),
            Figure(
                f"{name}: throughput, {_SATURATING_USERS} users",
                _median(run.throughput_rps for run in saturated[name]),
                "requests/s",
            ),
        ]
    for (name, base), (p50_bar, throughput_bar) in _RATIOS.items():
        if name in alone:
            p50s = [run.p50_ms / other.p50_ms for run, other in zip(alone[name], alone[base], strict=True)]
            rates = [
                run.throughput_rps / other.throughput_rps
                for run, other in zip(saturated[name], saturated[base], strict=True)
            ]
            figures += [
                Figure(f"{name} / {base}: p50, 1 user", _median(p50s), "x", p50_bar),
                Figure(f"{name} / {base}: throughput, {_SATURATING_USERS} users", _median(rates), "x", throughput_bar),
            ]
    return figures


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _check_agreement(sides: dict[str, Side], batch: int) -> None:
    answers = {name: np.array(side.answer()) for name, side in sides.items()}
    for name, answer in answers.items():
        difference = float(np.abs(answer - answers["bare"]).max())
        if answer.shape != (batch, 1000) or not difference <= _TOLERANCE:
            raise RuntimeError(f"{name} answers {answer.shape}, {difference} off the bare call, for {batch} images")
        print(f"  {name} is within {difference:.1e} of the bare call, {batch} image(s)", file=sys.stderr)


def _payload(batch: int) -> Payload:
    # TensorFlow and its stubs are for the request's bytes only: this process must not weigh on the cores.
    from tensorflow_serving.apis import predict_pb2  # noqa: PLC0415 - see above

    images = np.stack([photograph()] * batch).astype(np.float32)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "resnet"
    tensor = request.inputs["image_input"]
    tensor.dtype = 1  # DT_FLOAT
    for size in images.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = images.tobytes()
    servers.BUILD.mkdir(parents=True, exist_ok=True)
    payload = Payload(*(servers.BUILD / f"payload-{batch}.{kind}" for kind in ("npy", "json", "pb")))
    np.save(payload.images, images)
    payload.rest.write_bytes(rest_body(batch=batch))
    payload.grpc.write_bytes(request.SerializeToString())
    return payload


def _sides(model: Path, payload: Payload, ports: servers.Ports) -> dict[str, AbstractContextManager[Side]]:
    version = str(model / "1")
    return {
        "bare": _side("bare", version, str(payload.images), str(_THREADS)),
        "bare-frozen": _side("bare-frozen", version, str(payload.images), str(_THREADS)),
        "rest": _side("rest", str(ports.rest), str(payload.rest)),
        "grpc": _side("grpc", str(ports.grpc), str(payload.grpc)),
    }


def _entered(stack: ExitStack, sides: dict[str, AbstractContextManager[Side]]) -> dict[str, Side]:
    return {name: stack.enter_context(side) for name, side in sides.items()}


@contextmanager
def _side(*arguments: str) -> Iterator[Side]:
    command = [sys.executable, "-m", "bench.servers.bare_calls", *arguments]
    with servers.process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Side(process)


@contextmanager
def _kserve(model: Path, port: int) -> Iterator[None]:
    python = _kserve_python()
    command = [str(python), "bench/servers/kserve.py", str(model / "1"), str(port), str(_THREADS)]
    with servers.ready(command, f"http://127.0.0.1:{port}/v1/models/{model.name}", "serving-kserve.log"):
        yield


def _kserve_python() -> Path:
    """KServe's own environment, made where it is not there yet, or where its requirements changed."""
    folder = servers.BUILD / "kserve-venv"
    made_from, wanted = folder / "made-from", hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    python = folder / "bin/python"
    if not made_from.exists() or made_from.read_text() != wanted:
        print("installing KServe into an environment of its own", file=sys.stderr)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = ["pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(_REQUIREMENTS)]
        subprocess.run([*uv, *install], check=True)
        made_from.write_text(wanted)
    return python


if __name__ == "__main__":
    main()
