import json
from datetime import timedelta
from itertools import product

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import shapebench.output
from analysis.results.schema.manifest import Validity
from analysis.results.schema.other_cpu import OtherCpu
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, write_run
from shapebench.cli import app
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]
# Two of one second, one of another day. ULIDs have no I, L, O or U.
FIRST, SECOND, EARLIER = (
    "01KAAAAAAA0000000000000001",
    "01KAAAAAAA0000000000000002",
    "01K99999990000000000000003",
)
OTHERS = OtherCpu(node="node-a", cores=0.21, stolen_cores=0.03, machine_cores=8, usable_cores=8)
ROWS = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20, error_share=0.02))


def samples_of(cores: dict[str, float], memory_bytes: float) -> pa.Table:
    """Samples of the same use in each second, from before the first request until after the last."""
    return pa.Table.from_pylist(
        [
            {"at": STARTED_AT + timedelta(seconds=second), "subject": subject, "quantity": quantity, "value": value}
            for (subject, used), second in product(cores.items(), range(-2, 20))
            for quantity, value in (("cpu_cores", used), ("most_cores", 8.0), ("memory_bytes", memory_bytes))
        ],
        schema=SAMPLES_SCHEMA,
    )


@pytest.fixture
def store(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    write_run(store, make_manifest(SMOKE, "4cpu-8gb", run_id=EARLIER), ROWS)
    write_run(
        store,
        make_manifest(SMOKE, run_id=FIRST, other_cpu=OTHERS),
        ROWS,
        samples_of({"server": 3.25, "generator": 0.5}, 750_000_000),
    )
    invalid = Validity(verdict="invalid", reasons=("the server died",))
    write_run(store, make_manifest(SMOKE, run_id=SECOND, validity=invalid), ROWS)
    return store


def show(store, *arguments):
    return CliRunner().invoke(app, ("show", "--results", store.uri, *arguments))


def as_json(store, *arguments):
    return json.loads(show(store, "--json", *arguments).stdout)


def test_one_run_is_shown_with_figures_usage_cost_conditions_and_files(store):
    result = show(store, FIRST)
    assert result.exit_code == 0, result.stderr
    for said in (
        f"Run {FIRST} of stack 8cpu-16gb, 2026-11-20 09:30 UTC: valid",
        "good predictions per second",
        "3.25          8",
        "750",
        "serving nodes: vCPUs",
        "total",
        "rest, 2 × intra_op 8, inter_op 4",
        "tensorflow/serving:2.20.0",
        "closed loop: 4 users",
        "The servers were sampled every 1 s.",
        OTHERS.sentence,
        "TensorFlow's default",
        "0123456789abcdef0123456789abcdef01234567",
        "with 2 other runs of this store",
        f"runs/stack=8cpu-16gb/{FIRST}.json",
        f"requests/stack=8cpu-16gb/run_id={FIRST}/part-w0.parquet",
    ):
        assert said in " ".join(result.stdout.split()) or said in result.stdout, said


def test_figures_are_those_of_the_rows_each_with_its_interval(store):
    found = as_json(store, FIRST)
    frame = ROWS.to_pandas()
    held = frame[frame["phase"] == "hold"]
    assert found["requests"] == len(held)
    assert found["error_rate"] == pytest.approx(1 - held["ok"].mean())
    assert found["p90_ms"] == pytest.approx(held[held["ok"]]["latency_us"].quantile(0.9) / 1000)
    hourly = sum(item["hourly"] for item in found["manifest"]["cost"]["line_items"])
    assert found["usd_per_million_good"] == pytest.approx(hourly / found["goodput_rps"] / 3600 * 1e6)
    assert set(found["intervals"]) == {
        "usd_per_million_good", "goodput_rps", "error_rate", "p50_ms", "p90_ms", "p95_ms", "p99_ms",
    }  # fmt: skip
    for name, within in found["intervals"].items():
        assert within["value"] == pytest.approx(found[name]), name
        assert within["low"] <= found[name] <= (within["high"] or float("inf")), name
    goodput = found["intervals"]["goodput_rps"]
    assert found["intervals"]["usd_per_million_good"]["low"] == pytest.approx(hourly / goodput["high"] / 3600 * 1e6)


def test_json_names_conditions_usage_and_the_whole_manifest(store, tmp_path):
    found = as_json(store, FIRST)
    assert found["conditions"]["server"] == "TensorFlow Serving 2.20.0"
    assert found["resource_usage"]["server"] == {"cores": 3.25, "available_cores": 8, "throttled_ratio": None}
    assert "the server used 3.25 of 8 cores" in found["bottleneck"]
    assert found["servers_sampled_every_s"] == 1
    written = json.loads((tmp_path / f"results/runs/stack=8cpu-16gb/{FIRST}.json").read_text())
    del written["sha256"]
    assert found["manifest"] == written
    assert (found["problems"], found["unfinished"]) == ([], [])


def test_an_invalid_run_says_so_with_its_reasons(store):
    result = show(store, SECOND)
    assert result.exit_code == 0
    assert "2026-11-20 09:30 UTC: INVALID\ninvalid: the server died\n" in result.stdout
    assert as_json(store, SECOND)["reasons"] == ["the server died"]


def test_a_damaged_run_has_no_figures_and_names_the_file(store, tmp_path):
    part = tmp_path / f"results/requests/stack=8cpu-16gb/run_id={FIRST}/part-w0.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    result = show(store, FIRST)
    assert result.exit_code == 0
    assert ": INVALID\ninvalid: requests/stack=8cpu-16gb/" in result.stdout
    assert "not as they were written" in result.stdout
    found = as_json(store, FIRST)
    assert (found["goodput_rps"], found["intervals"], found["verified"]) == (None, {}, False)


def test_without_an_id_the_newest_run_is_shown(store):
    assert as_json(store)["run_id"] == SECOND


@pytest.mark.parametrize("asked", [EARLIER, EARLIER[:4], EARLIER[:10].lower()])
def test_the_beginning_of_an_id_is_enough_where_it_is_unique(store, asked):
    assert as_json(store, asked)["run_id"] == EARLIER


@pytest.mark.parametrize(
    ("asked", "why", "named", "not_named"),
    [
        ("01KA", "'01KA' is the beginning or the end of 2 run ids", [FIRST, SECOND], [EARLIER]),
        ("01KAAAAAAB", "no run id in {uri} begins or ends with '01KAAAAAAB'; near it: ", [FIRST, SECOND], [EARLIER]),
        (
            "01K999999900000000000000X3",
            "begins or ends with '01K999999900000000000000X3'; near it: ",
            [EARLIER],
            [FIRST],
        ),
        ("nonsense", "begins or ends with 'NONSENSE'; the newest run is ", [SECOND], [FIRST, EARLIER]),
        (
            "8cpu-16gb",
            "'8cpu-16gb' is a stack and not a run id, so no run is shown; give the id of one of its runs: ",
            [FIRST, SECOND],
            [EARLIER],
        ),
    ],
)
def test_an_id_that_is_not_of_one_run_is_one_error_that_names_the_near_ones(store, asked, why, named, not_named):
    result = show(store, asked)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("shapebench: ")
    assert why.format(uri=store.uri) in result.stderr
    for run_id in named:
        assert run_id in result.stderr
    for run_id in not_named:
        assert run_id not in result.stderr


def test_of_many_runs_an_error_names_the_five_newest(tmp_path):
    store = ResultsStore(str(tmp_path))
    ids = [f"01KBBBBBBB00000000000000{number:02}" for number in range(7)]
    for run_id in ids:
        write_run(store, make_manifest(SMOKE, run_id=run_id), ROWS)
    said = show(store, "01KB").stderr
    assert [run_id for run_id in ids if run_id in said] == ids[2:]
    assert "and 2 more (`shapebench runs` lists them)" in said


def test_an_unfinished_run_and_one_with_a_broken_manifest_are_errors_that_say_so(store, tmp_path):
    unfinished = "01KCCCCCCC0000000000000001"
    store.write_rows("local", unfinished, "w0", ROWS)
    assert f"run_id={unfinished} has rows and no manifest, so this run is not finished" in show(store, "01KC").stderr
    (tmp_path / f"results/runs/stack=8cpu-16gb/{FIRST}.json").write_text("{")
    assert "the manifest of this run, runs/stack=8cpu-16gb/" in show(store, FIRST).stderr
    assert "is not a manifest that this version can read" in show(store, FIRST).stderr


def test_a_store_without_runs_says_how_to_get_one(tmp_path):
    for asked in ((), ("01K",)):
        result = show(ResultsStore(str(tmp_path)), *asked)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "pulumi up --stack local" in result.stderr


def test_where_every_manifest_is_damaged_each_is_named(store, tmp_path):
    for manifest in (tmp_path / "results/runs").rglob("*.json"):
        manifest.write_text("{")
    said = show(store).stderr
    assert all(
        f"{run_id}.json is not a manifest that this version can read" in said for run_id in (FIRST, SECOND, EARLIER)
    )
    assert "there is no finished run in" in said


@pytest.mark.parametrize(("typed", "offered"), [("", [SECOND, FIRST, EARLIER]), ("01KA", [SECOND, FIRST]), ("x", [])])
def test_a_shell_completes_run_ids_of_a_folder(store, typed, offered):
    words = f"shapebench show --results {store.uri} {typed}"
    asked = {"_SHAPEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "4"}
    assert CliRunner().invoke(app, prog_name="shapebench", env=asked).stdout.split() == offered


def test_runs_lists_the_ids_that_show_takes(store, monkeypatch):
    for columns in (None, 60, 80, 120):
        monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _, columns=columns: columns)
        lines = CliRunner().invoke(app, ("runs", "--results", store.uri)).stdout.splitlines()
        first_words = [line.split()[0] for line in lines if line.strip()]
        ids = [word for word in first_words if word in {run_id[-6:] for run_id in (FIRST, SECOND, EARLIER)}]
        assert [as_json(store, shown.lower())["run_id"] for shown in ids] == [EARLIER, FIRST, SECOND]


def test_where_ids_end_alike_runs_lists_as_much_of_them_as_tells_them_apart(tmp_path):
    store = ResultsStore(str(tmp_path))
    ids = [f"01KBBBBBBB0000000{letter}00000000" for letter in "XYZ"]
    for run_id in ids:
        write_run(store, make_manifest(SMOKE, run_id=run_id), ROWS)
    lines = CliRunner().invoke(app, ("runs", "--results", store.uri)).stdout.splitlines()[1:]
    assert [as_json(store, line.split()[0])["run_id"] for line in lines] == ids
    assert "'00000000' is the beginning or the end of 3 run ids" in show(store, "00000000").stderr


def test_a_list_of_runs_keeps_the_cost_at_80_columns(store, monkeypatch):
    monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _: 80)
    listed = CliRunner().invoke(app, ("runs", "--results", store.uri))
    heading, *_ = listed.stdout.split("\n\n")
    assert "USD/million" in heading
    cost = f"{as_json(store, FIRST)['usd_per_million_good']:.2f}"
    [line] = [line for line in listed.stdout.splitlines() if line.startswith(FIRST[-6:])]
    assert line.split().count(cost) == 1
    assert "USD/million" not in " ".join(listed.stderr.split())


def test_a_narrow_list_of_runs_names_the_columns_it_left_out(store, monkeypatch):
    monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _: 90)
    narrow = CliRunner().invoke(app, ("runs", "--results", store.uri))
    assert "left out for lack of room: group; USD/h; max, ms;" in " ".join(narrow.stderr.split())
    monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _: 300)
    assert "left out" not in CliRunner().invoke(app, ("runs", "--results", store.uri)).stderr
