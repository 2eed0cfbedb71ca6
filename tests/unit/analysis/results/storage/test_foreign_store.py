"""A store that others wrote, moved or protected: one bad run or folder is one problem, and all else is read."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from analysis.results.run.columns import read_columns
from analysis.results.schema.manifest_file import manifest_text
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.statistics.summary import summarise
from bench.stores.damages import write_bomb
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_older, make_rows, write_run
from stacks.load.load_profiles import MOST_REQUESTS, PROFILES

SMOKE = PROFILES["smoke"]
ROWS = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20))


@pytest.fixture
def runs(store):
    """A run of each of two stacks."""
    return write_run(store, make_manifest(SMOKE), ROWS), write_run(store, make_manifest(SMOKE, "2cpu-4gb"), ROWS)


def manifest_file(store, run):
    return Path(store.uri) / f"runs/stack={run.stack}/{run.run_id}.json"


def part_file(store, run):
    return Path(store.uri) / f"requests/stack={run.stack}/run_id={run.run_id}/part-w0.parquet"


@pytest.mark.parametrize("folder", ["runs/stack=2cpu-4gb", "requests/stack=2cpu-4gb", "requests/{}", "runs"])
def test_one_folder_without_permission_is_a_problem_and_hides_no_other_run(store, runs, folder):
    """In a process of its own, which gives up root's right to read everything."""
    hidden = Path(store.uri) / folder.format(f"stack=2cpu-4gb/run_id={runs[1].run_id}")
    code = (
        "import json, sys\n"
        "from bench.stores.permissions import obey_permission_bits\n"
        "obey_permission_bits()\n"
        "from analysis.results.storage.store import ResultsStore\n"
        "scan = ResultsStore(sys.argv[1]).scan()\n"
        "problems = [f'{each.path} {each.why}' for each in scan.problems]\n"
        "print(json.dumps([[run.run_id for run in scan.manifests], problems, scan.unfinished]))\n"
    )
    hidden.chmod(0)
    try:
        command = [sys.executable, "-c", code, store.uri]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        hidden.chmod(0o755)
    read, problems, unfinished = json.loads(done.stdout)
    path = str(hidden.relative_to(store.uri))
    assert problems == [f"{path} cannot be read: Permission denied; check its permissions"]
    expected = {"runs": []}.get(folder, [runs[0].run_id] if folder.startswith("runs") else [run.run_id for run in runs])
    assert (read, unfinished) == (expected, [])


def test_a_pipe_in_place_of_the_samples_is_a_problem_and_nobody_waits_for_a_writer(store):
    sample = {"at": STARTED_AT, "subject": "server", "quantity": "cpu_cores", "value": 1.5}
    samples = pa.Table.from_pylist([sample], schema=SAMPLES_SCHEMA)
    run = store.write_run(make_manifest(SMOKE), [("w0", ROWS)], samples)
    file = Path(store.uri) / f"samples/stack={run.stack}/run_id={run.run_id}/samples.parquet"
    file.unlink()
    os.mkfifo(file)
    found = store.samples(run)
    assert found.path == str(file.relative_to(store.uri))
    assert found.why.startswith("cannot be read: it is not a file, but a pipe, a socket or a device;")


def test_a_link_to_the_folder_that_it_is_in_is_a_problem_and_the_rest_is_read(store, runs):
    link = part_file(store, runs[0]).parent / "loop"
    link.symlink_to(link.parent.parent)
    scan = store.scan()
    assert [(problem.path, problem.why) for problem in scan.problems] == [
        (str(link.relative_to(store.uri)), "is a link to a folder that it is in; remove it")
    ]
    assert scan.manifests == runs


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("gone"), lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_a_problem_and_is_not_opened(store, runs, make):
    path = manifest_file(store, runs[1])
    path.unlink()
    make(path)
    scan = store.scan()
    assert [problem.path for problem in scan.problems] == [str(path.relative_to(store.uri))]
    assert (scan.manifests, scan.unfinished) == ((runs[0],), ())


@pytest.mark.parametrize("name", [b"a\nskipped: nothing", b"\xff.json", b"\x1b[2J"])
def test_a_name_of_a_file_is_named_in_one_line_of_printable_text(store, runs, name):
    Path(os.fsdecode(os.fsencode(manifest_file(store, runs[0]).parent) + b"/" + name)).write_bytes(b"")
    [problem] = store.scan().problems
    assert f"{problem.path} {problem.why}".isprintable()
    assert store.scan().manifests == runs


def test_the_same_id_in_two_stacks_counts_for_neither_and_both_are_named(store, runs):
    twin = runs[0].model_copy(update={"stack": "other"})
    store.write_manifest(twin)
    scan = store.scan()
    assert scan.manifests == (runs[1],)
    why = {problem.path: problem.why for problem in scan.problems if problem.path.startswith("runs/")}
    of_run, of_twin = (str(manifest_file(store, run).relative_to(store.uri)) for run in (runs[0], twin))
    assert why.keys() == {of_run, of_twin}
    assert f"has the run id of {of_twin}, and a run is of one stack, so neither is read" in why[of_run]


def test_a_version_that_names_files_has_them_named(store, runs):
    file = manifest_file(store, runs[0])
    file.write_text(manifest_text(runs[0].model_copy(update={"files": None})))
    [problem] = [problem for problem in store.scan().problems if problem.path.startswith("runs/")]
    assert "names no files, and the version that wrote it names them" in problem.why
    make_older(manifest_file(store, runs[1]))
    [older] = store.scan().manifests
    assert (summarise(store, older).valid, summarise(store, older).verified) == (True, False)


def test_a_changed_row_file_is_a_problem_of_the_store_without_its_rows_being_read(store, runs):
    part = part_file(store, runs[0])
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    [problem] = store.scan().problems
    assert "its sha256 differs from the one in the manifest of its run" in problem.why


def test_a_small_file_of_very_many_rows_is_refused_before_it_takes_memory(store, runs):
    make_older(manifest_file(store, runs[0]))
    write_bomb(part_file(store, runs[0]), MOST_REQUESTS + 1_000_000)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scan = store.scan()
    [problem] = scan.problems
    assert f"has {MOST_REQUESTS + 1_000_000:,} rows of" in problem.why
    [missing] = read_columns(store, scan.manifests[0]).missing
    assert f"and at most {MOST_REQUESTS:,} of" in missing
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 200 * 1024


def test_a_file_with_other_rows_than_its_manifest_says_is_not_read(store, runs):
    run, part = runs[0], part_file(store, runs[0])
    manifest_file(store, run).unlink()
    [named] = run.files
    store.write_manifest(run.model_copy(update={"files": (named.model_copy(update={"rows": 7}),)}))
    [problem] = store.scan().problems
    assert problem.path == str(part.relative_to(store.uri))
    assert f"has {ROWS.num_rows} rows, and its manifest says 7" in problem.why


def changed(column, value):
    at, field = ROWS.schema.get_field_index(column), ROWS.schema.field(column)
    plain = pa.int64() if isinstance(value, int) else field.type
    values = [value, *ROWS[column].cast(plain).to_pylist()[1:]]
    return ROWS.set_column(at, field, pa.array(values, plain).cast(field.type))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (changed("error", "\x1b[2J"), "has control characters, or more than one line, in a value of error"),
        (changed("backend", "a\nb"), "has control characters, or more than one line, in a value of backend"),
        (changed("latency_us", -1), "is out of range: latency_us"),
        (changed("start", 2**62), "is out of range: start"),
        (changed("intended_start", 1_600_000_000_000_000), "has rows that are 2,259 days apart"),
    ],
)
def test_rows_that_no_load_test_has_are_not_read_and_the_run_is_invalid(store, rows, why):
    run = write_run(store, make_manifest(SMOKE), rows)
    summary = summarise(store, run)
    assert not summary.valid
    assert why in summary.reasons[0]


def test_more_labels_than_a_chart_can_show_are_not_read(store):
    backends = pa.array([f"pod-{number}" for number in range(ROWS.num_rows)])
    rows = pa.concat_tables([ROWS.set_column(10, ROWS.schema.field("backend"), backends)] * 6)
    renamed = pa.array([f"pod-{number}" for number in range(rows.num_rows)])
    run = write_run(store, make_manifest(SMOKE), rows.set_column(10, rows.schema.field("backend"), renamed))
    assert "different values of backend, and a run has 1,000 at most" in summarise(store, run).reasons[0]
