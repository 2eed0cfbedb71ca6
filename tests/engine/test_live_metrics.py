"""A run under the eyes of a real Prometheus, and the dashboard's queries of it."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from analysis.results.run.columns import read_columns
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from bench.servers.processes import free_port
from tests.engine.harness import Stack
from tests.support.go_programs import PROMETHEUS
from tests.support.prometheus.serve import Prometheus, prometheus
from tools.pins import ROOT

DASHBOARD = json.loads((ROOT / "docs/grafana/shapebench.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = {f"{panel['title']}: {target['expr']}": target["expr"] for panel in PANELS for target in panel["targets"]}
# Long enough for four times of sending.
LOAD = {"profile": "smoke", "durationS": 18}
_GRAFANA_VARIABLES = {"$stack": ".*", "$run": ".*", "$__range": "1h"}


@dataclass(frozen=True)
class Watched:
    """A run, and what Prometheus knew of its requests before it ended, once each second."""

    run: Manifest
    printed: str
    counts: list[float]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if not PROMETHEUS.is_installed(ROOT):
        pytest.fail("Prometheus is missing or outdated; run `make setup-kubernetes`")
    with prometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture(scope="module")
def watched(stack: Stack, server: Prometheus) -> Watched:
    stack.config["load"] = LOAD
    stack.variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp}
    counts: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1):
            if found := server.ask("shapebench_requests_total"):
                counts.append(float(found[0]["value"][1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        printed = stack.must_up()
    finally:
        ended.set()
        watcher.join()
    [run] = stack.runs()
    return Watched(run, printed, counts)


def of_dashboard(query: str) -> str:
    """With Grafana's variables, as it sends a query where everything is chosen."""
    for name, value in _GRAFANA_VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def test_the_requests_are_seen_while_the_run_goes_on(watched: Watched) -> None:
    assert len(set(watched.counts)) >= 3
    assert watched.counts == sorted(watched.counts)


def test_each_request_of_the_run_is_counted_once(stack: Stack, watched: Watched, server: Prometheus) -> None:
    rows = read_columns(ResultsStore(str(stack.results)), watched.run).every
    assert 100 < server.value("shapebench_requests_total") == rows.end_us.size
    assert server.value("shapebench_failed_requests_total") == 0


def test_the_labels_name_stack_variant_and_run(watched: Watched, server: Prometheus) -> None:
    [series] = server.ask("shapebench_elapsed_seconds")
    assert series["metric"]["job"] == "shapebench"
    named = {name: series["metric"][name] for name in ("stack", "platform", "machine_type", "nodes", "protocol")}
    assert named == {
        "stack": watched.run.stack,
        "platform": "local",
        "machine_type": "e2-custom-2-4096",
        "nodes": "1",
        "protocol": "rest",
    }
    assert series["metric"]["run_id"] == watched.run.run_id


def test_the_figures_of_the_stored_run_are_those_of_the_stacks_outputs(
    watched: Watched, stack: Stack, server: Prometheus
) -> None:
    headline = stack.outputs()["headline"]
    prefix = "shapebench_result_"
    sent = {
        series["metric"]["__name__"].removeprefix(prefix): float(series["value"][1])
        for series in server.ask(f'{{__name__=~"{prefix}.+", run_id="{watched.run.run_id}"}}')
    }
    assert sent == pytest.approx(headline)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_each_query_of_the_dashboard_finds_the_run(query: str, watched: Watched, server: Prometheus) -> None:
    # Only a search has a capacity; the other queries name metrics that each run has.
    if "capacity" in query:
        assert server.ask(of_dashboard(query)) == []
        query = query.replace("capacity", "goodput")
    found = server.history(of_dashboard(query), since_s=120)
    assert {series["metric"]["run_id"] for series in found} == {watched.run.run_id}
    assert {series["metric"]["stack"] for series in found} == {watched.run.stack}


def test_the_variables_of_the_dashboard_ask_for_labels_that_are_there(watched: Watched, server: Prometheus) -> None:
    queries = [
        variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"
    ]
    assert len(queries) == 2
    for query in queries:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert found
        series = server.ask(of_dashboard(found[1]))
        assert {sample["metric"][found[2]] for sample in series} <= {watched.run.stack, watched.run.run_id}
        assert series


def unknown(written: Any, known: Any, path: str = "") -> Iterator[str]:
    """What is written and not known."""
    if isinstance(written, dict):
        for name, value in written.items():
            if name in known:
                yield from unknown(value, known[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(written, list):
        for index, value in enumerate(written):
            yield from unknown(value, known[index], f"{path}[{index}]")
    elif written != known:
        yield f"{path}: {written} is {known}"


def test_grafanas_own_types_know_every_field_of_the_dashboard() -> None:
    """Grafana itself cannot be had here: it is in no package registry."""
    plugins.register_default_plugins()

    def as_known(dashboard: dict[str, Any]) -> Any:
        return json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))

    assert list(unknown(DASHBOARD, as_known(DASHBOARD))) == []
    wrong = json.loads(json.dumps(DASHBOARD).replace('"legendFormat"', '"legendFormatt"'))
    assert len(list(unknown(wrong, as_known(wrong)))) == len(QUERIES)


def test_a_receiver_that_is_not_there_is_said_once_and_the_run_is_stored(stack: Stack, watched: Watched) -> None:
    stack.config["load"] = {"profile": "smoke", "durationS": 7}
    stack.variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://me:s3cret@127.0.0.1:{free_port()}"}
    printed = stack.must_up()
    assert "s3cret" not in printed
    logged = printed.partition("Diagnostics:")[2]
    runs = 1 + logged.count("It is measured again")
    assert logged.count("the metrics of this run do not reach") == runs
    assert len([run for run in stack.runs() if run.validity.verdict == "valid"]) == 2
    assert "do not reach" not in watched.printed
