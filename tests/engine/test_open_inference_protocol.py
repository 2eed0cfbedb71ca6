"""The load generator beside Triton's client, against MLServer, KServe and the embedded server: same answers and counts.

MLServer, KServe's Python server and Triton's client are not this project's, and run in environments of their own.
"""

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
import tensorflow as tf

from bench.servers.own_environment import python_with
from bench.servers.processes import embedded, free_port, ready
from loadtest.generator.clients.answer_check import Answered
from loadtest.generator.clients.v2.answer import read_v2
from loadtest.generator.clients.v2.v2_grpc import read_v2_grpc
from loadtest.generator.payload import STRING, Output, Payload, Request, Tensor, packed, strings
from loadtest.generator.plan import ClosedLoopPlan, LoadTestPlan
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.preparation import NotPreparedError, prepared_bodies
from loadtest.run.runner import run_load_test
from loadtest.run.served_model import served_model
from stacks.server.protocols import PROTOCOLS
from stacks.service import parse_service
from tools.pins import ROOT

HERE = Path(__file__).parent / "open_inference"
WEIGHTS = np.array([[0.5, -1.0], [0.25, 2.0], [1.5, 0.125]], np.float32)
NUMBERS = np.random.default_rng(1).standard_normal((4, 2, 3)).astype(np.float32)
TEXTS = [["é", "two"], ["", "four"], ["fifth", "6"], ["7", "eighth one"]]
OUTPUTS = (Output("label", STRING, (None,)), Output("scores", "float32", (None, 2)))
LOAD = ClosedLoopPlan(mode="closed", users=2, spawn_rate_per_s=10, wait_s=0.02, warmup_s=0, duration_s=2)


@dataclass(frozen=True)
class Served:
    url: str
    grpc_url: str
    counted_at: str | None = None
    """The page with the server's own count of predictions."""
    counter: str = ""

    def count(self) -> int:
        assert self.counted_at
        with urllib.request.urlopen(self.counted_at, timeout=10) as answer:
            page = answer.read().decode()
        return int(sum(float(value) for value in re.findall(rf"^{self.counter}{{\S* (\S+)$", page, re.MULTILINE)))


@pytest.fixture(scope="module")
def python() -> Path:
    return python_with(ROOT / "tools/requirements/contract.txt").absolute()


@pytest.fixture(scope="module")
def mlserver(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("mlserver")
    ports = {name: free_port() for name in ("http", "grpc", "metrics")}
    settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, "metrics_dir": str(folder)}
    (folder / "settings.json").write_text(json.dumps(settings | {f"{name}_port": port for name, port in ports.items()}))
    (folder / "mlserver_model.py").write_text((HERE / "mlserver_model.py").read_text())
    text = {"datatype": "BYTES", "shape": [-1]}
    tensors = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}, {"name": "text"} | text],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}, {"name": "label"} | text],
    }
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "scores", "implementation": "mlserver_model.Scores"} | tensors)
    )
    url = f"http://127.0.0.1:{ports['http']}"
    command = [str(python), "-m", "mlserver.cli.main", "start", str(folder)]
    with ready(command, f"{url}/v2/models/scores/ready", "mlserver.log"):
        yield Served(
            url,
            f"grpc://127.0.0.1:{ports['grpc']}",
            f"http://127.0.0.1:{ports['metrics']}/metrics",
            "model_infer_request_success_total",
        )


@pytest.fixture(scope="module")
def kserve() -> Iterator[Served]:
    python = python_with(ROOT / "tools/requirements/kserve.txt").absolute()
    ports = {name: free_port() for name in ("http", "grpc")}
    url = f"http://127.0.0.1:{ports['http']}"
    command = [str(python), str(HERE / "kserve_server.py"), *map(str, ports.values())]
    with ready(command, f"{url}/v2/models/scores/ready", "kserve.log"):
        # KServe's Model.__call__ times each call of predict, over either protocol: model.py and metrics.py of 0.21.0.
        yield Served(url, f"grpc://127.0.0.1:{ports['grpc']}", f"{url}/metrics", "request_predict_seconds_count")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS)
    scores = tf.function(
        lambda x, text: {
            "scores": x @ module.weights + tf.cast(tf.strings.length(text, unit="UTF8_CHAR"), tf.float32)[:, None],
            "label": text,
        },
        input_signature=[tf.TensorSpec((None, 3), name="x"), tf.TensorSpec((None,), tf.string, "text")],
    )
    folder = tmp_path_factory.mktemp("models") / "scores"
    tf.saved_model.save(module, str(folder / "1"), signatures={"serving_default": scores})
    with embedded(folder, 1) as ports:
        yield Served(f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}")


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Served:
    found: Served = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("served", ["mlserver", "kserve", "own"], indirect=True)
def test_a_server_says_itself_what_its_model_takes(served: Served) -> None:
    settings = parse_service(
        {
            "service": "scores",
            "url": served.url,
            "model": {"name": "scores"},
            "shape": {"machineType": "e2-standard-2", "nodes": 1},
            "load": {"profile": "smoke"},
        }
    )
    found = served_model(settings)
    assert {(tensor.name, tensor.dtype, tensor.shape) for tensor in found.model.inputs} == {
        ("x", "float32", (None, 3)),
        ("text", STRING, (None,)),
    }
    assert {(output.name, output.dtype, output.shape) for output in found.model.outputs} == {
        ("scores", "float32", (None, 2)),
        ("label", STRING, (None,)),
    }
    assert found.server in {"mlserver", "kserve", "shapebench-embedded"}, found.server
    assert found.server_version[0].isdigit()


def payload(numbers: np.ndarray[Any, Any] = NUMBERS) -> Payload:
    return Payload(
        "serving_default",
        tuple(
            Request(
                (
                    Tensor("x", "float32", x.shape, "float32", packed("float32", x.ravel().tolist())),
                    Tensor("text", STRING, (len(texts),), STRING, strings(text.encode() for text in texts)),
                )
            )
            for x, texts in zip(numbers, TEXTS, strict=True)
        ),
    )


def expected() -> list[dict[str, Any]]:
    return [
        {"scores": x @ WEIGHTS + np.array([[len(text)] for text in texts], np.float32), "label": texts}
        for x, texts in zip(NUMBERS, TEXTS, strict=True)
    ]


def generated(
    served: Served, protocol: str, folder: Path, sent: Payload | None = None
) -> tuple[list[dict[str, Answered]], LoadTestOutcome]:
    """What the generator's first answers hold, and its load test."""
    over_grpc = PROTOCOLS[protocol].over_grpc
    url, read = (served.grpc_url, read_v2_grpc) if over_grpc else (served.url, read_v2)
    plan = LoadTestPlan(LOAD, protocol, url, "scores", str(folder / "run"), OUTPUTS)
    (folder / "payload").write_bytes((sent or payload()).to_bytes())
    cancelled = threading.Event()
    bodies = prepared_bodies(plan, folder / "payload", 2, lambda _: None, cancelled)
    answers = [dict(read(body.answer, {output.name: output for output in OUTPUTS})) for body in bodies]
    return answers, run_load_test(plan, bodies, lambda _: None, cancelled)


def by_triton(python: Path, served: Served, encoding: str) -> dict[str, Any]:
    requests = [{"x": ("FP32", x.tolist()), "text": ("BYTES", texts)} for x, texts in zip(NUMBERS, TEXTS, strict=True)]
    address = (served.grpc_url if encoding == "grpc" else served.url).partition("://")[2]
    completed = subprocess.run(
        [str(python), str(HERE / "triton_client.py"), address, "scores", encoding],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    found: dict[str, Any] = json.loads(completed.stdout)
    return found


@pytest.mark.parametrize(
    ("served", "protocol", "encoding"),
    [
        ("mlserver", "v2-rest", "json"),
        ("mlserver", "v2-grpc", "grpc"),
        ("kserve", "v2-rest", "json with its type"),
        ("kserve", "v2-binary", "binary"),
        ("kserve", "v2-grpc", "grpc"),
        ("own", "v2-rest", "json"),
        ("own", "v2-binary", "binary"),
        ("own", "v2-grpc", "grpc"),
    ],
    indirect=["served"],
)
def test_the_generator_and_tritons_client_get_the_same_answers(
    python: Path, served: Served, protocol: str, encoding: str, tmp_path: Path
) -> None:
    counted = served.count() if served.counted_at else 0
    answers, outcome = generated(served, protocol, tmp_path)
    ok = outcome.rows["ok"]
    assert len(ok) > 20
    assert pc.all(ok).as_py(), set(outcome.rows["error"].to_pylist())
    if served.counted_at:
        # Each request was sent once before the test.
        assert served.count() - counted == len(ok) + len(NUMBERS)
    reported = by_triton(python, served, encoding)
    assert reported["ready"]
    assert reported["tensors"] == {"x": "FP32", "text": "BYTES", "scores": "FP32", "label": "BYTES"}
    for right, ours, theirs in zip(expected(), answers, reported["answers"], strict=True):
        np.testing.assert_allclose(np.reshape(ours["scores"].values, ours["scores"].shape), right["scores"], rtol=1e-6)
        np.testing.assert_allclose(theirs["scores"], right["scores"], rtol=1e-6)
        assert [value.decode() for value in ours["label"].values] == theirs["label"] == right["label"]
    if served.counted_at:
        assert served.count() - counted == len(ok) + 2 * len(NUMBERS)


@pytest.mark.parametrize("served", ["mlserver", "kserve"], indirect=True)
def test_a_request_that_a_server_refuses_is_reported_before_anything_is_measured(
    served: Served, tmp_path: Path
) -> None:
    (one, *_) = payload().requests
    without_text = Payload("serving_default", (Request(one.inputs[:1]),))
    with pytest.raises(NotPreparedError, match="http_"):
        generated(served, "v2-rest", tmp_path, without_text)
