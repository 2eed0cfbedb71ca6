from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.results.run import columns
from analysis.results.run.columns import RowsError, quantiles_of, read_columns, rows_in_order
from analysis.results.storage.file_system import RETRY_S
from analysis.results.storage.store_files import StoreFiles
from analysis.results.storage.verification import problem_with
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, write_run
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]

INTEGERS = st.lists(st.integers(min_value=-(2**40), max_value=2**40), min_size=1, max_size=300)


@given(INTEGERS, st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=20))
def test_quantiles_of_sorted_numbers_are_numpys_to_the_last_bit(numbers, quantiles):
    ascending = np.sort(np.array(numbers, dtype=np.int64))
    quantiles += [0.0, 0.5, 0.99, 1.0]
    assert quantiles_of(ascending, quantiles).tolist() == np.quantile(np.array(numbers), quantiles).tolist()


def test_every_row_of_every_file_is_read(store):
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=40, error_share=0.1))
    manifest = make_manifest(SMOKE)
    for worker, part in enumerate(np.array_split(np.arange(rows.num_rows), 3)):
        store.write_rows(manifest.stack, manifest.run_id, f"w{worker}", rows.take(pa.array(part)))
    read = read_columns(store, manifest)
    start_us = rows["start"].cast(pa.int64()).to_numpy()
    assert read.every.start_us.tolist() == start_us.tolist()
    assert read.every.end_us.tolist() == (start_us + rows["latency_us"].to_numpy()).tolist()
    assert read.every.ok.tolist() == rows["ok"].to_pylist()
    assert [read.every.phase.names[code] for code in read.every.phase.codes] == rows["phase"].to_pylist()
    held = np.array(rows["phase"].to_pylist()) == "hold"
    assert read.counted.start_us.tolist() == start_us[held].tolist()
    assert read.every.error.counts() == {"unavailable": rows["ok"].to_pylist().count(False)}
    assert read.missing == ()


def test_a_file_that_is_missing_is_named(store, row, table):
    manifest = write_run(store, make_manifest(SMOKE), table([row(second) for second in range(10)]))
    store.write_manifest(unwritten := make_manifest(SMOKE, stack="4cpu-8gb"))
    [part], _ = store.parts(manifest)
    with open(part, "r+b") as file:  # noqa: PTH123 - the store hands out names
        file.truncate(100)
    read = read_columns(store, manifest)
    assert read.every.ok.size == 0
    assert "part-w0.parquet" in read.missing[0]
    assert read_columns(store, unwritten).every.ok.size == 0


def test_a_label_that_no_row_has_matches_no_row(store, row, table):
    rows = [row(0), row(1, ok=False), row(2, ok=False, error=None)]
    read = read_columns(store, write_run(store, make_manifest(SMOKE), table(rows))).every
    assert read.error.equal("unavailable").tolist() == [False, True, False]
    assert not read.error.equal("timeout").any()
    assert not read.phase.equal("ramp").any()
    assert read.error.counts() == {"unavailable": 1}


def test_a_span_reaches_from_the_first_that_was_due_to_the_last_answer(store, row, table):
    rows = [row(second, phase=phase) for phase in ("ramp", "hold") for second in (3, 0, 4)]
    read = read_columns(store, write_run(store, make_manifest(SMOKE), table(rows)))
    first_us, last_us = read.every.span_us
    assert (first_us, last_us - first_us) == (round(STARTED_AT.timestamp() * 1e6), 4_100_000)
    assert read.every.where(read.every.phase.equal("none")).span_us is None


def test_rows_of_all_files_come_in_the_order_in_which_they_were_due(store, monkeypatch):
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=40))
    manifest = make_manifest(SMOKE)
    shuffled = np.random.default_rng(1).permutation(rows.num_rows)
    for worker, part in enumerate(np.array_split(shuffled, 3)):
        store.write_rows(manifest.stack, manifest.run_id, f"w{worker}", rows.take(pa.array(part)))
    monkeypatch.setattr(columns, "_ROWS_IN_ORDER", 50)
    tables = list(rows_in_order(store, manifest))
    assert len(tables) == -(-rows.num_rows // 50)
    assert pa.concat_tables(tables).sort_by("start") == rows.cast(tables[0].schema).sort_by("start")
    intended_start_us = np.concatenate([table["intended_start"].cast(pa.int64()).to_numpy() for table in tables])
    assert (np.diff(intended_start_us) >= 0).all()


def test_rows_that_cannot_be_read_in_order_are_an_error(store, row, table):
    manifest = write_run(store, make_manifest(SMOKE), table([row(second / 10) for second in range(200)]))
    [part], _ = store.parts(manifest)
    with open(part, "r+b") as file:  # noqa: PTH123 - the store hands out names
        file.seek(8)
        file.write(b"\xaa" * 400)
    with pytest.raises(RowsError, match=r"part-w0\.parquet is not what was written: its sha256 differs"):
        list(rows_in_order(store, manifest))
    assert read_columns(store, manifest).missing[0].startswith("requests/")


def test_a_damaged_page_is_noticed_even_where_no_digest_was_recorded(store):
    whole = write_run(store, make_manifest(SMOKE), make_rows(SMOKE, Server(capacity_rps=300, service_ms=20)))
    older = whole.model_copy(update={"files": None})
    assert read_columns(store, older).missing == ()
    [part], _ = store.parts(older)
    content = bytearray(Path(part).read_bytes())
    column = pq.ParquetFile(part).metadata.row_group(0).column(2)
    content[column.dictionary_page_offset + column.total_compressed_size // 2] ^= 1
    Path(part).write_bytes(content)
    assert "the rows cannot be read" in read_columns(store, older).missing[0]
    with pytest.raises(RowsError):
        list(rows_in_order(store, older))


STRINGS = [
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
]


@pytest.mark.parametrize("kind", STRINGS, ids=str)
def test_a_string_may_be_of_any_type_that_arrow_has_for_it(store, kind):
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=40, error_share=0.1))
    as_written = write_run(store, make_manifest(SMOKE), rows)
    older = as_written.model_copy(update={"files": None})
    [part], _ = store.parts(older)
    types = [field.with_type(kind) if field.type == pa.string() else field for field in rows.schema]
    pq.write_table(rows.cast(pa.schema(types)), part)
    assert problem_with(StoreFiles(store.uri, RETRY_S), str(Path(part).relative_to(store.uri)), {}) is None
    read = read_columns(store, older)
    assert (read.missing, read.every.ok.size) == ((), rows.num_rows)
    assert read.every.phase.counts().keys() == {"warmup", "ramp", "hold"}
    assert pa.concat_tables(rows_in_order(store, older)).sort_by("start") == rows.sort_by("start")


def test_rows_that_pandas_wrote_are_read(store):
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=40, error_share=0.1))
    older = write_run(store, make_manifest(SMOKE), rows).model_copy(update={"files": None})
    [part], _ = store.parts(older)
    rows.to_pandas().to_parquet(part)
    read = read_columns(store, older)
    assert (read.missing, read.every.ok.size) == ((), rows.num_rows)


def test_a_run_without_rows_has_none_in_order(store, table):
    manifest = write_run(store, make_manifest(SMOKE), table([]))
    assert list(rows_in_order(store, manifest)) == []
