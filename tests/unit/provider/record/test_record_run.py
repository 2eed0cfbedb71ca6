"""What the manifest of a measured run says, with real Locust, without Pulumi."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from analysis.results.run.columns import rows_in_order
from analysis.results.schema.manifest import Key, Manifest
from analysis.results.storage.store import ResultsStore
from bench.servers.null_server import prediction
from loadtest.generator.capacity.search import seed_of_step
from loadtest.generator.loops.arrivals import CONSTANT, offsets_at
from loadtest.generator.plan import CapacitySearchPlan, OpenLoopPlan, load_plan
from loadtest.result.raw_rows import times_us
from provider.resource import Operation
from provider.resources.local_load_test import LocalLoadTest
from stacks.sweep_place import SweepPlace
from tests.support.load_test_inputs import local_load_test_inputs

pytestmark = pytest.mark.real_time

# The service time of a server that serves one request at a time.
SERVICE_S = 0.025
PLACE = SweepPlace(sweep="20261130-020000", block=7, candidate="0123456789abcdef")
OF_SWEEP = {"rerun": PLACE.rerun, "sweep": PLACE.model_dump()}
OPEN = {
    "mode": "open", "rate_rps": 25.0, "arrivals": "poisson", "seed": 3, "max_in_flight": 32, "warmup_s": 1.0,
    "ramp_s": 1.0, "duration_s": 4.0,
}  # fmt: skip
SEARCH = {
    "mode": "capacity", "quantile": 0.9, "latency_ms": 200.0, "error_ratio": 0.1, "lowest_rps": 1.0,
    "highest_rps": 400.0, "precision": 0.5, "seed": 1, "max_in_flight": 64, "warmup_s": 1.0, "duration_s": 30.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def slow_url() -> Iterator[str]:
    """A server with a capacity that a search finds."""
    answer, in_turn = prediction(), threading.Lock()

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(b"{}")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with in_turn:
                time.sleep(SERVICE_S)
            self.answer(answer)

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measured(
    folder: Path, url: str, said: list[str] | None = None, **changes: Any
) -> tuple[ResultsStore, list[Manifest]]:
    inputs = local_load_test_inputs(folder, url) | changes
    LocalLoadTest().create(inputs, Operation((said if said is not None else []).append, print))
    store = ResultsStore(inputs["results"])
    return store, sorted(store.scan().manifests, key=lambda run: run.run_id)


def sent_s(store: ResultsStore, run: Manifest, *phases: str) -> npt.NDArray[np.float64]:
    """When the requests of these phases were due, in seconds since the first of them."""
    rows = pa.concat_tables(rows_in_order(store, run))
    due_us = np.sort(times_us(rows.filter(pc.is_in(rows["phase"], pa.array(phases))), "intended_start"))
    return (due_us - due_us[0]) / 1e6


def since_first(offsets_s: list[float]) -> npt.NDArray[np.float64]:
    return np.array(offsets_s) - offsets_s[0]


def test_the_arrivals_of_each_repeat_follow_from_its_manifest_alone(tmp_path: Path, server_url: str) -> None:
    store, runs = measured(tmp_path, server_url, profile=OPEN, repeats=2, **OF_SWEEP)
    first, second = runs
    assert first.seed is not None
    assert second.seed == first.seed + 1 != OPEN["seed"] + 1
    for run in runs:
        assert run.key == Key(rerun=PLACE.rerun, **PLACE.model_dump())
        load = load_plan(run.load.plan_values)
        assert isinstance(load, OpenLoopPlan)
        planned_s = since_first([arrival.intended_start_s for arrival in replace(load, seed=run.seed).schedule()])
        assert sent_s(store, run, "ramp", "hold") == pytest.approx(planned_s, abs=3e-6)


def test_each_step_of_a_search_follows_from_its_manifest_alone(tmp_path: Path, slow_url: str) -> None:
    said: list[str] = []
    store, [run] = measured(tmp_path, slow_url, said, profile=SEARCH, **OF_SWEEP)
    assert run.capacity
    assert any(f"run {run.run_id}: ✓ p90 within 200 ms and at most 10 % failed: met up to " in line for line in said)
    assert run.seed is not None
    assert isinstance(load_plan(run.load.plan_values), CapacitySearchPlan)
    poisson = 0
    for number, step in enumerate(run.capacity.steps, 1):
        assert step.arrivals
        offsets_s = offsets_at(step.rate_rps, step.arrivals, seed_of_step(run.seed, poisson))
        poisson += step.arrivals != CONSTANT
        planned_s = since_first(list(islice(offsets_s, step.requests)))
        assert sent_s(store, run, f"step-{number}") == pytest.approx(planned_s, abs=3e-6)
    assert poisson >= 3


def test_a_closed_loop_has_no_seed(tmp_path: Path, server_url: str) -> None:
    _, [run] = measured(tmp_path, server_url, rerun="after the fix")
    assert run.seed is None
    assert run.key == Key(rerun="after the fix")


def test_a_run_records_how_many_instances_its_requests_have_and_says_it(tmp_path: Path, server_url: str) -> None:
    said: list[str] = []
    serving = local_load_test_inputs(tmp_path, server_url)["serving"]
    serving |= {"model": serving["model"] | {"instances": 4}}
    _, [run] = measured(tmp_path, server_url, said, serving=serving)
    assert run.serving.model.instances == 4
    assert any("good requests/s of 4 predictions each" in line for line in said)
