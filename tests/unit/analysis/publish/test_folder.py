"""A published folder: it gives the figures of the original, names no machine, and is whole or not there."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.objective import Asked
from analysis.publish import folder as publishing
from analysis.publish.folder import write_published
from analysis.publish.selection import select
from analysis.results.run.columns import read_columns
from analysis.results.schema.manifest import StoredFile, Validity
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from analysis.statistics.summary import FIGURES, summary_of
from analysis.verdict.verdict import Verdict, read_verdict
from bench.stores.synthetic import Server, machine_samples, make_manifest, make_rows, write_run
from shapebench.commands.results.verdict import to_dict
from stacks.load.load_profiles import PROFILES
from tests.unit.analysis.publish.contributed import (
    COMMIT,
    LEAK,
    column,
    planted,
    planted_rows,
    run_id,
    samples,
    searched,
    whole,
)

DAY = date(2026, 12, 3)
SMALL = {"stack": "4cpu-8gb", "machine_type": "e2-custom-4-8192", "nodes": 4}
# The texts that are published as they are: times, ids, what the schema fixes, and what kernels and price lists say.
PUBLIC = frozenset(
    f"{group}{name}"
    for group, names in {
        "": "run_id stack started_at finished_at",
        "serving.model.": "name",
        "replicas.": "cpu_vendor cpu_model cpu_signature cpu_flags",
        "generator.machine.": "cpu_vendor cpu_model cpu_signature cpu_flags",
        "cost.line_items.": "name sku sku_id unit",
    }.items()
    for name in names.split()
)


def publish(folder: Path, *stores: ResultsStore) -> ResultsStore:
    write_published(select([store.uri for store in stores]), folder, Asked(), DAY)
    return ResultsStore(str(folder))


def ranked(verdict: Verdict) -> Any:
    """All that the verdict says, but for the commands, which name the store."""
    return to_dict(replace(verdict, next=()))


def content(folder: Path) -> Iterator[tuple[Path, str]]:
    """Of each file its name, its bytes and, of Parquet, all that its decompressed pages and its metadata say."""
    for path in folder.rglob("*"):
        text = str(path.relative_to(folder))
        if path.is_file():
            text += path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            text += f"{file.read().to_pydict()} {file.metadata.metadata} {file.schema_arrow.to_string()}"
        yield path, text


def with_a_column_and_metadata(store: ResultsStore, part: StoredFile) -> StoredFile:
    """The file as another program has written it anew."""
    [path] = Path(store.uri).glob(f"requests/*/*/{part.name}")
    rows = pq.read_table(path, partitioning=None)
    more = rows.append_column("note", pa.array([f"{LEAK}-note"] * rows.num_rows))
    pq.write_table(more.replace_schema_metadata({"written by": f"{LEAK}-program"}), path)
    return part.model_copy(update={"sha256": sha256(path.read_bytes()).hexdigest()})


def test_a_published_store_gives_the_verdict_and_the_figures_of_the_original(store: ResultsStore, tmp_path: Path):
    for number in (1, 2):
        write_run(store, *searched(number, 60 + number), samples("serving-acme-0", "generator", "generator-1"))
        write_run(store, *searched(10 + number, 50 + number, cluster="small", **SMALL))
    write_run(store, *searched(20, 62, cluster="anew"))
    smoke = PROFILES["smoke"]
    closed = make_rows(smoke, Server(capacity_rps=30, service_ms=20, error_share=0.02))
    errors = column(closed, "error", [each and "http_503" for each in closed["error"].to_pylist()])
    write_run(store, make_manifest(smoke, run_id=run_id(30)), errors)
    published = publish(tmp_path / "published", store)
    before, after = (read_verdict(each, Asked()) for each in (store, published))
    assert len(after.ranking) == 2
    assert after.ranking[0].capacity.cpus, "the CPU models of shared nodes are part of these figures"
    assert ranked(after) == ranked(before)
    for one, other in zip(before.scan.manifests, after.scan.manifests, strict=True):
        figures = [summary_of(run, read_columns(at, run)) for run, at in ((one, store), (other, published))]
        assert [getattr(figures[0], name) for name in FIGURES] == [getattr(figures[1], name) for name in FIGURES]
        assert figures[0].errors == figures[1].errors
        assert figures[1].verified


def test_no_text_that_is_not_named_is_in_the_folder_whatever_field_or_column_it_was_in(
    store: ResultsStore, tmp_path: Path
):
    manifest, keys = planted(whole(1), PUBLIC)
    assert keys >= {"replicas.name", "replicas.node", "replicas.machine", "generator.nodes", "generator.machine.node"}
    assert keys >= {
        "key.rerun",
        "key.sweep",
        "serving.image",
        "serving.server_args",
        "serving.model.digest",
        "software.linux",
        f"software.{LEAK}-key",
    }
    rows = planted_rows(searched(1)[1])
    taken = samples("serving-acme-0", "generator", f"{LEAK}-pod")
    unknown = samples("generator", quantity=f"{LEAK}-quantity")
    manifest = manifest.model_copy(
        update={"git_commit": COMMIT, "validity": Validity(verdict="valid", reasons=()), "other_cpu": None}
    )
    part = store.write_rows(manifest.stack, manifest.run_id, f"{LEAK}-worker", rows)
    sampled = store.write_samples(manifest.stack, manifest.run_id, pa.concat_tables([taken, unknown]))
    files = (with_a_column_and_metadata(store, part), sampled)
    store.write_manifest(manifest.model_copy(update={"files": files}))
    died = Validity(verdict="invalid", reasons=(f"the server died on {LEAK}-node",))
    write_run(store, *searched(2, validity=died))
    write_run(store, *searched(3, git_commit=f"{LEAK}-dirty"))
    assert sum(LEAK in text for _, text in content(Path(store.uri))) >= 4
    published = publish(tmp_path / "published", store)
    assert [run.run_id for run in published.scan().manifests] == [run_id(1)]
    assert [str(path) for path, text in content(tmp_path / "published") if LEAK in text] == []


def test_no_name_of_a_machine_is_in_the_folder(store: ResultsStore, tmp_path: Path):
    write_run(store, *searched(1), samples("serving-acme-0", "generator"))
    publish(tmp_path / "published", store)
    names = ("acme", "10.8.0", "6.6.72+", str(tmp_path), "half-written")
    found = [(path.name, name) for path, text in content(tmp_path / "published") for name in names if name in text]
    assert found == []


def test_every_file_of_the_folder_is_as_its_manifest_says(store: ResultsStore, tmp_path: Path):
    manifest = make_manifest(PROFILES["smoke"], platform="local", stack="local")
    rows = make_rows(PROFILES["smoke"], Server(30, 20))
    began_us = int(manifest.started_at.timestamp() * 1e6)
    parts = [("w0", rows.slice(0, 50)), ("w1", rows.slice(50))]
    store.write_run(manifest, parts, machine_samples(began_us, [0.0] * 7))
    scan = publish(tmp_path / "published", store).scan()
    assert (len(scan.manifests), scan.problems, scan.unfinished) == (1, (), ())
    files = scan.manifests[0].files
    assert files
    assert [file.name for file in files] == ["part-worker-1.parquet", "part-worker-2.parquet", "samples.parquet"]


def test_the_runs_of_several_stores_are_in_one_folder_and_share_the_nodes_that_they_shared(tmp_path: Path):
    stores = [ResultsStore(str(tmp_path / name)) for name in ("one", "other")]
    for number, store in enumerate(stores, 1):
        write_run(store, *searched(number))
    runs = publish(tmp_path / "published", *stores).scan().manifests
    assert [run.run_id for run in runs] == [run_id(1), run_id(2)]
    assert [replica.node for replica in runs[0].replicas] == [replica.node for replica in runs[1].replicas]


def test_what_was_published_can_be_published_again_without_a_change(store: ResultsStore, tmp_path: Path):
    write_run(store, *searched(1))
    first = publish(tmp_path / "first", store)
    second = publish(tmp_path / "second", first)
    names = [sorted(run.model_dump_json() for run in each.scan().manifests) for each in (first, second)]
    assert json.loads(names[0][0])["replicas"] == json.loads(names[1][0])["replicas"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the disk is full")], ids=str)
def test_an_interrupted_write_leaves_nothing(store: ResultsStore, tmp_path: Path, monkeypatch, error):
    write_run(store, *searched(1))
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(publishing, "page", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OSError):
        publish(tmp_path / "published", store)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_exists_is_left_as_it_is(store: ResultsStore, tmp_path: Path):
    write_run(store, *searched(1))
    (tmp_path / "published").mkdir()
    (tmp_path / "published/mine").write_text("mine")
    with pytest.raises(FileExistsError, match="nothing in it is overwritten"):
        publish(tmp_path / "published", store)
    assert [path.name for path in (tmp_path / "published").iterdir()] == ["mine"]


def test_a_file_that_changes_between_the_check_and_the_copy_ends_it_and_leaves_nothing(
    store: ResultsStore, tmp_path: Path
):
    write_run(store, *searched(1))
    selection = select([store.uri])
    [part] = Path(store.uri).glob("requests/*/*/*")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(StoreError, match="changed while it was published"):
        write_published(selection, tmp_path / "published", Asked(), DAY)
    assert not (tmp_path / "published").exists()
