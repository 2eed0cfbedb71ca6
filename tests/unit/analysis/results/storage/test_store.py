import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.comparability import UNKNOWN_CPU, cpus
from analysis.results.schema.manifest import Replica
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.file_system import RETRY_S, open_uri, reason_of
from analysis.results.storage.store import ResultsStore, new_run_id
from analysis.results.storage.store_files import RunExistsError, StoreError, StoreFiles
from analysis.statistics.summary import summarise
from analysis.verdict.variants import variant_key
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_older, make_rows, write_run
from stacks.load.load_profiles import PROFILES
from stacks.server.serving_variant import Batching

SMOKE = PROFILES["smoke"]
SERVER = Server(capacity_rps=30, service_ms=20)


@pytest.fixture
def rows():
    return make_rows(SMOKE, SERVER)


@pytest.fixture
def finished(store, rows):
    return write_run(store, make_manifest(SMOKE), rows)


def root(store: ResultsStore) -> Path:
    return Path(store.uri)


def manifest_file(store, manifest) -> Path:
    return root(store) / f"runs/stack={manifest.stack}/{manifest.run_id}.json"


def part_file(store, manifest) -> Path:
    return root(store) / f"requests/stack={manifest.stack}/run_id={manifest.run_id}/part-w0.parquet"


def test_a_run_is_written_where_the_contract_says_and_nowhere_else(store, finished, rows):
    files = {str(path.relative_to(root(store))) for path in root(store).rglob("*") if path.is_file()}
    assert files == {
        f"requests/stack=8cpu-16gb/run_id={finished.run_id}/part-w0.parquet",
        f"runs/stack=8cpu-16gb/{finished.run_id}.json",
    }
    assert pq.read_table(part_file(store, finished), partitioning=None).equals(rows)


def test_what_is_read_is_in_arrows_own_memory_so_that_its_threads_may_give_it_back_at_exit(store, finished):
    path = part_file(store, finished)
    before = pa.total_allocated_bytes()
    content = StoreFiles(store.uri, RETRY_S).content(str(path.relative_to(root(store))))
    assert content.to_pybytes() == path.read_bytes()
    assert pa.total_allocated_bytes() - before >= path.stat().st_size


def test_a_manifest_reads_back_as_it_was_written(store, finished):
    scan = store.scan()
    assert scan.manifests == (finished,)
    assert scan.problems == ()
    assert scan.unfinished == ()


def test_a_manifest_is_snake_case_on_disk(store, finished):
    content = json.loads(manifest_file(store, finished).read_text())
    assert content["shape"]["machine_type"] == "e2-custom-8-16384"
    assert content["load"]["spawn_rate_per_s"] == SMOKE.spawn_rate_per_s


def test_what_served_is_on_disk_in_the_order_of_the_contract_and_without_camel_case(store, rows):
    made = make_manifest(SMOKE)
    batching = Batching(max_batch_size=8, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)
    served = made.serving.model_copy(update={"batching": batching})
    manifest = write_run(store, made.model_copy(update={"serving": served}), rows)
    serving = json.loads(manifest_file(store, manifest).read_text())["serving"]
    assert list(serving) == [
        "server", "server_version", "image", "protocol", "replicas", "intra_op", "inter_op", "batching", "cpu_limit",
        "one_dnn", "rest_threads", "grpc_threads", "seed_faithful", "server_args", "model", "computation",
    ]  # fmt: skip
    assert list(serving["batching"]) == [
        "max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads",
    ]  # fmt: skip
    assert store.scan().manifests == (manifest,)


def test_a_manifest_from_before_there_was_a_cpu_limit_is_read(store, finished):
    path = manifest_file(store, finished)
    make_older(path)
    content = json.loads(path.read_text())
    del content["serving"]["cpu_limit"]
    path.write_text(json.dumps(content))
    assert store.scan().manifests == (finished.model_copy(update={"files": None, "schema_version": 1}),)
    assert finished.serving.cpu_limit is None


def test_a_manifest_from_before_onednn_and_cpu_flags_were_recorded_is_read_and_has_the_default(store, rows):
    replica = Replica(name="server", cpu_model="AMD EPYC 7B12", cpu_flags=("avx2",))
    manifest = write_run(store, make_manifest(SMOKE, replicas=(replica,)), rows)
    make_older(file := manifest_file(store, manifest))
    older = json.loads(file.read_text())
    assert older["replicas"][0].pop("cpu_flags") == ["avx2"]
    assert older["serving"].pop("one_dnn", "missing") is None
    file.write_text(json.dumps(older))
    (read,) = store.scan().manifests
    assert read.serving.one_dnn is None
    assert read.replicas[0].cpu_flags is None
    assert variant_key(read) == variant_key(manifest)


def test_a_manifest_from_before_request_threads_were_recorded_is_read_and_they_are_unknown(store, rows):
    deployed = {"rest_threads": 8, "grpc_threads": 1024, "seed_faithful": True}
    made = make_manifest(SMOKE)
    serving = made.serving.model_copy(update=deployed)
    manifest = write_run(store, made.model_copy(update={"serving": serving}), rows)
    make_older(file := manifest_file(store, manifest))
    content = json.loads(file.read_text())
    assert {name: content["serving"].pop(name) for name in deployed} == deployed
    file.write_text(json.dumps(content))
    (read,) = store.scan().manifests
    assert {getattr(read.serving, name) for name in deployed} == {None}


def test_a_manifest_from_before_machines_were_recorded_is_read_and_its_cpu_is_unknown(store, rows):
    manifest = write_run(store, make_manifest(SMOKE), rows)
    make_older(file := manifest_file(store, manifest))
    older = json.loads(file.read_text())
    del older["replicas"], older["generator"]["machine"]
    file.write_text(json.dumps(older))
    assert store.scan().problems == ()
    (read,) = store.scan().manifests
    assert (read.replicas, read.generator.machine, cpus(read)) == ((), None, UNKNOWN_CPU)
    assert read.deployment is None


def test_the_newest_run_of_a_stack_is_the_last_that_can_be_read(store, rows):
    assert store.newest("8cpu-16gb") is None
    runs = [write_run(store, make_manifest(SMOKE), rows) for _ in range(3)]
    write_run(store, make_manifest(SMOKE, "2cpu-4gb"), rows)
    assert store.newest("8cpu-16gb") == runs[2]
    manifest_file(store, runs[2]).write_text("{broken")
    assert store.newest("8cpu-16gb") == runs[1]


def test_a_folder_that_does_not_exist_is_an_error_and_an_empty_one_is_not(store):
    assert store.scan().manifests == ()
    root(store).rmdir()
    with pytest.raises(StoreError, match=r"results' does not exist; give a folder that holds runs, or make one with"):
        store.scan()


def test_the_manifest_names_each_file_with_its_rows_and_its_digest(store, rows):
    parts = [("w0", rows.slice(0, 100)), ("w1", rows.slice(100))]
    store.write_run(manifest := make_manifest(SMOKE), parts, samples())
    named = json.loads(manifest_file(store, manifest).read_text())["files"]
    assert [(each["name"], each["rows"]) for each in named] == [
        ("part-w0.parquet", 100),
        ("part-w1.parquet", rows.num_rows - 100),
        ("samples.parquet", 1),
    ]
    files = [*sorted(part_file(store, manifest).parent.iterdir()), samples_file(store, manifest)]
    assert [each["sha256"] for each in named] == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def test_the_digest_of_a_manifest_is_the_one_that_the_page_describes(store, finished):
    content = json.loads(manifest_file(store, finished).read_text())
    written = content.pop("sha256")
    described = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert written == hashlib.sha256(described.encode()).hexdigest()


def test_a_run_from_before_there_were_digests_is_read_and_is_not_verified(store, rows):
    make_older(manifest_file(store, write_run(store, make_manifest(SMOKE), rows)))
    scan = store.scan()
    assert (scan.problems, len(scan.manifests)) == ((), 1)
    summary = summarise(store, scan.manifests[0])
    assert (summary.valid, summary.verified) == (True, False)
    assert summarise(store, write_run(store, make_manifest(SMOKE), rows)).verified


def test_a_file_that_the_manifest_does_not_name_is_a_problem_and_is_not_read(store, finished):
    before = summarise(store, finished)
    extra = part_file(store, finished).with_name("part-w7.parquet")
    extra.write_bytes(part_file(store, finished).read_bytes())
    [problem] = store.scan().problems
    assert problem.path.endswith("part-w7.parquet")
    assert "not named by the manifest of its run, so it is not read; remove it" in problem.why
    assert summarise(store, finished) == before


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_manifest_is_last(store, rows, monkeypatch):
    done: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name.split('.')[0]}")
        real_fsync(descriptor)

    def rename(path: Path, target: Path) -> Path:
        done.append(f"rename {Path(target).name.split('.')[0]}")
        return real_rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    run_id = write_run(store, make_manifest(SMOKE), rows, samples()).run_id
    for name, folder in (("part-w0", f"run_id={run_id}"), ("samples", f"run_id={run_id}"), (run_id, "stack=8cpu-16gb")):
        at = done.index(f"rename {name}")
        assert done[at - 1] == f"sync {name}"
        assert done[at + 1] == f"sync {folder}"
    assert [each for each in done if each.startswith("rename")][-1] == f"rename {run_id}"
    assert {"sync stack=8cpu-16gb", "sync requests", "sync runs", "sync samples", "sync results"} <= {*done}


def test_an_upload_that_fails_leaves_no_object(tmp_path):
    """As in a bucket, where the end of the stream makes an object of what was written until then."""
    code = (
        "import resource, signal, sys\n"
        "from pyarrow.fs import LocalFileSystem\n"
        "from analysis.results.storage.file_system import upload\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try: upload(LocalFileSystem(), sys.argv[1], b'x' * 100)\n"
        "except OSError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "object")], capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_manifest_is_not_counted_but_named(store, rows):
    run_id = new_run_id()
    assert store.write_rows("local", run_id, "w0", rows).rows == rows.num_rows
    scan = store.scan()
    assert scan.manifests == ()
    assert scan.unfinished == (f"requests/stack=local/run_id={run_id}",)


def test_rows_are_never_overwritten(store, rows):
    run_id = new_run_id()
    store.write_rows("local", run_id, "w0", rows)
    with pytest.raises(RunExistsError):
        store.write_rows("local", run_id, "w0", rows.slice(0, 1))
    assert store.write_rows("local", run_id, "w1", rows).rows == rows.num_rows


def test_a_manifest_is_never_overwritten(store, finished):
    before = manifest_file(store, finished).read_bytes()
    with pytest.raises(RunExistsError):
        store.write_manifest(finished.model_copy(update={"git_commit": None}))
    assert manifest_file(store, finished).read_bytes() == before


def samples() -> pa.Table:
    of_server = {"at": STARTED_AT, "subject": "server", "quantity": "cpu_cores", "value": 1.5}
    return pa.Table.from_pylist([of_server], schema=SAMPLES_SCHEMA)


def samples_file(store, manifest) -> Path:
    return root(store) / f"samples/stack={manifest.stack}/run_id={manifest.run_id}/samples.parquet"


def test_samples_read_back_as_they_were_written_and_are_never_overwritten(store, rows):
    manifest = write_run(store, make_manifest(SMOKE), rows, samples())
    assert pq.read_table(samples_file(store, manifest), partitioning=None).equals(samples())
    assert store.samples(manifest).equals(samples())
    assert store.scan().problems == ()
    with pytest.raises(RunExistsError):
        store.write_samples(manifest.stack, manifest.run_id, samples())


def test_a_run_without_samples_is_whole(store, finished):
    assert store.samples(finished).equals(SAMPLES_SCHEMA.empty_table())
    assert store.scan().problems == ()


@pytest.mark.parametrize("content", [b"no parquet", None])
def test_samples_that_cannot_be_read_are_named_and_the_run_stays(store, finished, content):
    samples_file(store, finished).parent.mkdir(parents=True)
    if content is None:
        pq.write_table(pa.table({"at": [1]}), samples_file(store, finished))
    else:
        samples_file(store, finished).write_bytes(content)
    [problem] = store.scan().problems
    assert problem.path == str(samples_file(store, finished).relative_to(root(store)))
    older = finished.model_copy(update={"files": None})
    assert store.samples(older).path == problem.path
    [reason] = summarise(store, older).reasons
    assert reason.startswith("samples/stack=")
    assert store.scan().manifests == (finished,)


def test_no_rows_can_join_a_finished_run(store, finished, rows):
    with pytest.raises(RunExistsError, match="finished"):
        store.write_rows(finished.stack, finished.run_id, "late", rows)


def test_a_writer_that_fails_half_way_leaves_nothing_behind(store, rows):
    def batches():
        yield from rows.to_batches()
        raise RuntimeError("the generator died")

    reader = pa.RecordBatchReader.from_batches(REQUESTS_SCHEMA, batches())
    with pytest.raises(RuntimeError):
        store.write_rows("local", new_run_id(), "w0", reader)
    assert [path for path in root(store).rglob("*") if path.is_file()] == []


def test_rows_with_other_columns_are_refused(store, rows):
    with pytest.raises(ValueError, match="names"):
        store.write_rows("local", new_run_id(), "w0", rows.drop_columns(["latency_us"]))


def test_rows_without_a_latency_are_refused(store, rows):
    nulls = pa.nulls(rows.num_rows, pa.int64())
    with pytest.raises(ValueError, match="latency_us"):
        store.write_rows("local", new_run_id(), "w0", rows.set_column(2, "latency_us", nulls))


@pytest.mark.parametrize("worker", ["../../escape", "a/b", "", "w 1"])
def test_a_worker_whose_name_is_no_file_name_is_refused(store, rows, worker):
    with pytest.raises(StoreError, match="cannot be part of a file name"):
        store.write_rows("local", new_run_id(), worker, rows)


DAMAGE = {
    "not JSON": (manifest_file, lambda content: b"{" + content, "is not a manifest"),
    "cut off": (manifest_file, lambda content: content[: len(content) // 2], "is not a manifest"),
    "not text": (manifest_file, lambda _: b"\xff\xfe\x00", "is not a manifest"),
    "a field that is not in the contract": (
        manifest_file,
        lambda content: json.dumps(json.loads(content) | {"colour": "red"}).encode(),
        "colour",
    ),
    "a later version": (
        manifest_file,
        lambda content: json.dumps(json.loads(content) | {"schema_version": 3}).encode(),
        "schema_version",
    ),
    "another run's": (
        manifest_file,
        lambda content: json.dumps(json.loads(content) | {"stack": "other"}).encode(),
        "contains the manifest of run",
    ),
    "rows without a footer": (part_file, lambda content: content[: len(content) // 2], "is not what was written"),
    "rows that are empty": (part_file, lambda _: b"", "is not what was written"),
    "rows that are no Parquet": (part_file, lambda _: b"time,latency\n1,2\n", "is not what was written"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_named_and_kept_and_hides_no_other_run(store, finished, rows, what):
    path_of, damage, why = DAMAGE[what]
    healthy = write_run(store, make_manifest(SMOKE, "4cpu-8gb", "e2-custom-4-8192", 4), rows)
    path = path_of(store, finished)
    path.write_bytes(damaged := damage(path.read_bytes()))
    scan = store.scan()
    assert [problem.path for problem in scan.problems] == [str(path.relative_to(root(store)))]
    assert why in scan.problems[0].why
    assert path.read_bytes() == damaged
    assert healthy in scan.manifests
    assert scan.unfinished == ()


@pytest.mark.parametrize(
    "path",
    [
        "runs/notes.txt",
        "runs/stack=local/readme.json",
        "runs/stack=local/deeper/01J0000000000000000000000A.json",
        "requests/data.parquet",
        "requests/stack=local/run_id=short/part-w0.parquet",
        "requests/stack=local/run_id=01J0000000000000000000000A/part-w0.csv",
    ],
)
def test_a_foreign_file_is_named_and_skipped(store, finished, path):
    foreign = root(store) / path
    foreign.parent.mkdir(parents=True, exist_ok=True)
    foreign.write_text("hello")
    scan = store.scan()
    assert scan.manifests == (finished,)
    assert [(problem.path, "layout" in problem.why) for problem in scan.problems] == [(path, True)]


def test_parquet_of_another_schema_is_named_with_its_missing_columns(store, finished):
    other = root(store) / f"requests/stack=local/run_id={new_run_id()}/part-w0.parquet"
    other.parent.mkdir(parents=True)
    pq.write_table(pa.table({"start": [1], "latency_us": [2]}), other)
    [problem] = store.scan().problems
    assert "start" in problem.why
    assert "phase" in problem.why
    assert "latency_us" not in problem.why


def test_a_half_written_file_of_a_killed_writer_is_called_that(store, finished):
    leftover = part_file(store, finished).with_name("part-w1.parquet.1a2b3c4d.half-written")
    leftover.write_bytes(b"PAR1")
    [problem] = store.scan().problems
    assert "is incomplete" in problem.why
    assert store.scan().manifests == (finished,)


def test_a_folder_whose_name_looks_like_a_pattern_holds_a_store(tmp_path, rows):
    store = ResultsStore(str(tmp_path / "we[ir]d *?"))
    manifest = write_run(store, make_manifest(SMOKE), rows)
    assert sum(summarise(store, manifest).rows_by_phase.values()) == rows.num_rows


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("nonsense://bucket", "Unrecognized filesystem type"),
        ("gs://", "names no bucket"),
        ("gs://b/a b", "syntax error"),
    ],
)
def test_a_uri_that_names_no_store_is_one_line_with_the_fix(uri, why):
    with pytest.raises(
        StoreError, match=rf"cannot be opened: .*{why}.*; give a folder, or a URI such as gs:"
    ) as raised:
        ResultsStore(uri)
    assert "\n" not in str(raised.value)


def test_a_relative_folder_and_one_of_the_home_are_meant_as_in_a_shell(tmp_path, monkeypatch, rows):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_run(ResultsStore("here/../results"), make_manifest(SMOKE), rows)
    write_run(ResultsStore("~/results"), make_manifest(SMOKE), rows)
    for folder in ("results", "home/results", "results/../results"):
        scan = ResultsStore(str(tmp_path / folder)).scan()
        assert (len(scan.manifests), scan.problems) == (1, ())


def test_a_request_to_a_bucket_is_repeated_for_a_limited_time_unless_the_uri_says_how_long():
    def limit_s(uri: str, *retry_s: int) -> float:
        filesystem, root = open_uri(uri, *retry_s)
        assert root == "bucket/p"
        _, (options,) = filesystem.__reduce__()
        return options["retry_time_limit"].total_seconds()

    assert limit_s("gs://bucket/p") == RETRY_S
    assert limit_s("gs://bucket/p", 2) == 2
    assert limit_s("gs://bucket/p?retry_limit_seconds=7", 2) == 7


def test_a_folder_that_can_be_written_passes_the_check_and_stays_empty(store):
    store.check_writable()
    assert [path for path in root(store).rglob("*") if path.is_file()] == []


def test_a_file_in_place_of_the_folder_fails_the_check_in_one_line(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot be written: .*; give a folder that you can read and write") as raised:
        ResultsStore(str(tmp_path / "results")).check_writable()
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_finished_leaves_nothing_behind(tmp_path):
    """As on a full disk: the file can be created, and nothing can be written into it."""
    code = (
        "import resource, signal, sys\n"
        "from analysis.results.storage.store import ResultsStore\n"
        "from analysis.results.storage.store_files import StoreError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try: ResultsStore(sys.argv[1]).check_writable()\n"
        "except StoreError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "results")], capture_output=True, text=True, check=True
    )
    assert "cannot be written: " in done.stdout
    assert "File too large" in done.stdout
    assert list((tmp_path / "results").iterdir()) == []


GOOGLES = (
    "[Errno 13] google::cloud::Status(PERMISSION_DENIED: Permanent error, with a last message of {}"
    " error_info={{reason=, domain=, metadata={{gcloud-cpp.retry.function=CreateResumableUpload}}}}). Detail: denied"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOGLES.format("tester does not have\n access."), "tester does not have access"),
        (GOOGLES.format('{"error": {"code": 403, "message": "no access"}}'), "no access"),
        (
            GOOGLES.format(
                "Could not create a OAuth2 access token to authenticate the request. Learn more. The underlying error"
                " message was: CURL error [6]=Could not resolve hostname"
            ),
            (
                "there are no credentials: GOOGLE_APPLICATION_CREDENTIALS is not set,"
                " /nobody/.config/gcloud/application_default_credentials.json does not exist, and no metadata server of"
                " Google Cloud answers: CURL error [6]=Could not resolve hostname"
            ),
        ),
        ("[Errno 28] No space left on device", "[Errno 28] No space left on device"),
    ],
)
def test_an_error_of_googles_client_is_what_the_server_said(text, reason, monkeypatch):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", "/nobody")
    assert reason_of(OSError(text)) == reason


def test_run_ids_are_sorted_by_time():
    first = new_run_id()
    time.sleep(0.002)
    assert first < new_run_id()
