"""A store that is damaged in any way shows what it showed before, or names the damage and ranks no damaged run."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.results.run.columns import RowsError, read_columns, rows_in_order
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore, new_run_id
from analysis.statistics.summary import summary_of
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]
# A store in memory is copied and removed 500 times in a tenth of the time.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
STACKS = ("8cpu-16gb", "4cpu-8gb")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three runs, two of one stack, each with two row files and samples."""
    folder: Path = tmp_path_factory.mktemp("whole") / "results"
    for seed, stack in enumerate((*STACKS, STACKS[0])):
        rows = make_rows(SMOKE, Server(capacity_rps=10 + seed, service_ms=20), seed).slice(0, 120 + seed)
        samples = pa.Table.from_pylist(
            [{"at": STARTED_AT, "subject": "server", "quantity": "cpu_cores", "value": 1.5 + seed}],
            schema=SAMPLES_SCHEMA,
        )
        parts = [("w0", rows.slice(0, 60)), ("w1", rows.slice(60))]
        ResultsStore(str(folder)).write_run(make_manifest(SMOKE, stack), parts, samples)
    return folder


@pytest.fixture(scope="module")
def before(whole: Path) -> dict[str, Any]:
    runs, messages = shown(whole)
    assert len(runs) == 3
    assert messages == set()
    return runs


def shown(folder: Path) -> tuple[dict[str, Any], set[str]]:
    """What is shown of each run, and all messages about the store."""
    store = ResultsStore(str(folder))
    scan = store.scan()
    messages = {f"{problem.path} {problem.why}" for problem in scan.problems} | set(scan.unfinished)
    runs = {}
    for manifest in scan.manifests:
        summary = summary_of(manifest, read_columns(store, manifest))
        messages |= {f"{manifest.run_id}: {reason}" for reason in summary.reasons}
        samples = store.samples(manifest)
        runs[manifest.run_id] = (manifest, summary.to_dict(), samples)
        if not summary.valid and not summary.rows_by_phase:
            with pytest.raises(RowsError):
                list(rows_in_order(store, manifest))
    return runs, messages


def delete(path: Path, _draw: Callable[..., Any]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def cut(path: Path, draw: Callable[..., Any]) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw(st.integers(0, len(content) - 1))])


def flip(path: Path, draw: Callable[..., Any]) -> None:
    content = bytearray(path.read_bytes())
    content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    path.write_bytes(content)


def new_name(path: Path, draw: Callable[..., Any]) -> Path:
    """A name beside the file, in the place of the same file of another run or of another stack, or anywhere."""
    root = next(parent for parent in path.parents if parent.name == "results")
    other = root / draw(st.sampled_from(sorted(str(path.relative_to(root)) for path in root.rglob("*"))))
    beside = ("part-w7.parquet", f"{new_run_id()}.json", f"run_id={new_run_id()}", "stack=other", f"{path.name}.bak")
    names = [path.with_name(name) for name in beside] + [other.parent / path.name, other.with_name("part-w7.parquet")]
    return draw(st.sampled_from(names))


def rename(path: Path, draw: Callable[..., Any]) -> None:
    target = new_name(path, draw)
    if not (target.exists() or target.is_relative_to(path)):
        path.rename(target)


def duplicate(path: Path, draw: Callable[..., Any]) -> None:
    target = new_name(path, draw)
    if not (target.exists() or target.is_relative_to(path)):
        shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)


def swap(path: Path, draw: Callable[..., Any]) -> None:
    root = next(parent for parent in path.parents if parent.name == "results")
    alike = [each for each in root.rglob("*") if each.suffix == path.suffix and each.is_dir() == path.is_dir()]
    other = draw(st.sampled_from(sorted(alike)))
    if not (other.is_relative_to(path) or path.is_relative_to(other)):
        aside = root.with_name("aside")
        path.rename(aside)
        other.rename(path)
        aside.rename(other)


def shorten(path: Path, draw: Callable[..., Any]) -> None:
    """A file that is sound in itself, with fewer rows."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path, partitioning=None)
        pq.write_table(rows.slice(0, draw(st.integers(0, rows.num_rows - 1))), path, compression="zstd")


DAMAGES = {False: (delete, cut, flip, flip, rename, duplicate, swap, shorten), True: (delete, rename, duplicate, swap)}


@settings(max_examples=500, derandomize=True, database=None)
@given(data=st.data())
def test_no_damage_is_unnoticed(whole: Path, before: dict[str, Any], data: st.DataObject):
    with TemporaryDirectory(dir=MEMORY) as temporary:
        folder = Path(temporary) / "results"
        shutil.copytree(whole, folder)
        files = sorted(folder.rglob("*"))
        path = data.draw(st.sampled_from(files))
        damage = data.draw(st.sampled_from(DAMAGES[path.is_dir()]))
        damage(path, data.draw)
        after, messages = shown(folder)
        if not messages:
            assert after == before
        for run_id, (manifest, summary, samples) in after.items():
            if summary["valid"]:
                assert (manifest, summary, samples) == before[run_id]
        for run_id in before.keys() - {run_id for run_id, (_, summary, _) in after.items() if summary["valid"]}:
            assert any(run_id in message for message in messages), "a run is gone, and no message names it"
