"""A results store in a bucket: written whole or not at all, read by every reader, and refused in one line."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import shapebench
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.storage.store import ResultsStore, new_run_id
from analysis.results.storage.store_files import RunExistsError, StoreError
from analysis.statistics.summary import summarise
from bench.stores.synthetic import Server, make_manifest, make_rows, make_search, write_run
from provider.record.store_check import require_writable
from provider.resource import ResourceError
from shapebench.cli import app
from stacks.load.load_profiles import PROFILES
from tests.support.object_store.refusing_proxy import RefusingProxy
from tests.support.object_store.serve import ObjectStore

SMOKE = PROFILES["smoke"]
# What Google's client sends at once; a larger file takes several requests
# (https://github.com/googleapis/google-cloud-cpp, UploadBufferSizeOption).
CHUNK_BYTES = 8 * 1024 * 1024


@pytest.fixture
def rows() -> pa.Table:
    return make_rows(SMOKE, Server(capacity_rps=30, service_ms=20))


def large_rows() -> pa.Table:
    """Rows that do not compress, three chunks long."""
    count = 3 * CHUNK_BYTES // 8
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20)).take(np.zeros(count, dtype=np.int64))
    noise = np.random.default_rng(1).integers(0, 2**62, count)
    return rows.set_column(REQUESTS_SCHEMA.get_field_index("latency_us"), REQUESTS_SCHEMA.field("latency_us"), [noise])


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_run_is_written_where_the_contract_says_and_reads_back(bucket: ObjectStore, rows: pa.Table):
    store = ResultsStore(bucket.uri("first"))
    assert store.scan().manifests == ()
    manifest = write_run(store, make_manifest(SMOKE), rows)
    assert bucket.objects("first/") == [
        f"first/requests/stack=8cpu-16gb/run_id={manifest.run_id}/part-w0.parquet",
        f"first/runs/stack=8cpu-16gb/{manifest.run_id}.json",
    ]
    scan = ResultsStore(bucket.uri("first")).scan()
    assert (scan.manifests, scan.problems, scan.unfinished) == ((manifest,), (), ())
    assert sum(summarise(store, manifest).rows_by_phase.values()) == rows.num_rows


def test_nothing_is_overwritten(bucket: ObjectStore, rows: pa.Table):
    store = ResultsStore(bucket.uri("once"))
    manifest = write_run(store, make_manifest(SMOKE), rows)
    with pytest.raises(RunExistsError):
        store.write_manifest(manifest)
    with pytest.raises(RunExistsError, match="finished"):
        store.write_rows(manifest.stack, manifest.run_id, "late", rows)


def test_the_check_leaves_nothing_behind(bucket: ObjectStore):
    ResultsStore(bucket.uri("checked")).check_writable()
    assert bucket.objects("checked") == []


def test_every_command_reads_a_bucket(bucket: ObjectStore, rows: pa.Table, tmp_path: Path):
    uri = bucket.uri("read")
    manifest = write_run(ResultsStore(uri), make_manifest(SMOKE), rows)
    search = write_run(ResultsStore(uri), *make_search(60))
    for command in ("report", "export"):
        invoke(command, "--out", str(tmp_path / command), "--results", uri)
    assert manifest.stack in (tmp_path / "report/report.md").read_text()
    assert manifest.run_id in (tmp_path / "export/runs.csv").read_text()
    runs = json.loads(invoke("runs", "--format", "json", "--results", uri))["runs"]
    assert [run["run_id"] for run in runs] == [manifest.run_id, search.run_id]
    plan = json.loads(invoke("plan", "--rps", "100", "--p99", "500ms", "--format", "json", "--results", uri))
    assert plan["candidates"]
    assert shapebench.Store(uri).rows(manifest.run_id, arrow=True).num_rows == rows.num_rows


def test_processes_that_share_the_reading_open_the_bucket_themselves(bucket: ObjectStore, rows: pa.Table):
    """From eight runs on there are several."""
    uri = bucket.uri("eight")
    for seed in range(8):
        write_run(ResultsStore(uri), *make_search(60, seed))
    verdict = json.loads(invoke("verdict", "--format", "json", "--results", uri))
    assert verdict["best"] == [verdict["ranking"][0]["label"]]
    assert verdict["excluded"] == []


def test_rows_whose_source_fails_half_way_leave_no_object(bucket: ObjectStore, rows: pa.Table):
    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows.to_batches()
        raise RuntimeError("the generator died")

    with pytest.raises(RuntimeError, match="the generator died"):
        ResultsStore(bucket.uri("half")).write_rows(
            "local", new_run_id(), "w0", pa.RecordBatchReader.from_batches(REQUESTS_SCHEMA, batches())
        )
    assert bucket.objects("half") == []


def puts(proxy: RefusingProxy) -> int:
    return sum(request.startswith("PUT ") for request in proxy.requests)


def test_an_upload_that_breaks_off_leaves_no_object(proxy: RefusingProxy):
    """Only the first of several requests for one file arrives."""
    store = ResultsStore(proxy.uri("broken"), retry_s=1)
    run_id = new_run_id()
    proxy.refuse = lambda method, _: 503 if method == "PUT" and puts(proxy) > 1 else None
    with pytest.raises(StoreError, match="cannot be written: We encountered an internal error"):
        store.write_rows("local", run_id, "w0", large_rows())
    assert puts(proxy) > 1
    assert proxy.store.objects() == []
    proxy.refuse = lambda _method, _path: None
    store.write_rows("local", run_id, "w0", large_rows())
    assert proxy.store.objects() == [f"broken/requests/stack=local/run_id={run_id}/part-w0.parquet"]


@pytest.mark.parametrize("step", ["GET", "POST", "PUT", "DELETE"])
def test_a_server_that_stops_answering_at_any_step_of_the_check_is_given_up(proxy: RefusingProxy, step: str):
    ended = threading.Event()
    proxy.refuse = lambda method, _: 503 if method == step and ended.wait(60) else None
    try:
        with pytest.raises(ResourceError, match="did not answer within 2 s"):
            require_writable(proxy.uri("silent"), 2)
    finally:
        ended.set()
    assert proxy.requests[-1].startswith(step)


def test_a_bucket_that_cannot_be_read_is_one_line_and_no_empty_list(proxy: RefusingProxy):
    proxy.refuse = lambda _method, _path: 403
    done = CliRunner().invoke(app, ("runs", "--results", proxy.uri("secret")))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "cannot be read: tester@acme.iam.gserviceaccount.com does not have" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_bucket_that_does_not_exist_fails_the_check(bucket: ObjectStore):
    with pytest.raises(StoreError, match="cannot be written: Not Found; give a bucket that exists"):
        ResultsStore(bucket.uri("p").replace("@bucket/", "@no-such-bucket/")).check_writable()
