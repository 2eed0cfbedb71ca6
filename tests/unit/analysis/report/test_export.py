"""What `shapebench export` writes, read back by the programs that it is for."""

import csv
import json
import re
from io import BytesIO
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from analysis.objective import Asked
from analysis.report import export as export_module
from analysis.report.charts.drawing import png, standalone
from analysis.report.collect import collect
from analysis.report.export import write_export
from analysis.results.schema.manifest import Validity
from analysis.results.schema.request_rows import REQUEST_COLUMNS
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import Server, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Two searches and an invalid closed loop, exported with their rows."""
    folder = tmp_path_factory.mktemp("exported")
    store = ResultsStore(str(folder / "results"))
    for stack, machine_type, nodes, capacity_rps in (
        ("2cpu-4gb", "e2-custom-2-4096", 8, 12),
        ("8cpu-16gb", "e2-custom-8-16384", 2, 40),
    ):
        write_run(store, *make_search(capacity_rps, stack=stack, machine_type=machine_type, nodes=nodes))
    broken = Validity(verdict="invalid", reasons=('it "died", twice', "no, reason"))
    write_run(store, make_manifest(SMOKE, "4cpu-8gb", validity=broken), make_rows(SMOKE, Server(40, 20)))
    findings = collect(store, Asked())
    files = write_export(findings, folder / "new" / "export", store)
    return findings, folder / "new" / "export", files


def test_every_run_is_a_row_of_the_same_table_as_csv_and_as_parquet(exported):
    findings, folder, _ = exported
    csv, parquet = pd.read_csv(folder / "runs.csv"), pd.read_parquet(folder / "runs.parquet")
    for table in (csv, parquet):
        assert table["run_id"].tolist() == [run.manifest.run_id for run in findings.runs]
        assert table["goodput_rps"].tolist() == [run.summary.goodput_rps for run in findings.runs]
        assert table["shape.nodes"].tolist() == [run.manifest.shape.nodes for run in findings.runs]
        assert table["valid"].tolist() == [True, True, False]
        assert json.loads(table["reasons"].iloc[-1]) == ['it "died", twice', "no, reason"]
        assert [json.loads(errors) for errors in table["errors"]] == [run.summary.errors for run in findings.runs]
        # A closed loop has no schedule to be late for, and that is no 0.
        assert table["offered_rps"].isna().tolist() == [False, False, True]


def test_the_ranking_has_its_intervals(exported):
    findings, folder, _ = exported
    for table in (pd.read_csv(folder / "ranking.csv"), pd.read_parquet(folder / "ranking.parquet")):
        assert table["label"].tolist() == [each.label for each in findings.verdict.ranking]
        assert table["usd_per_million.low"].tolist() == [each.usd_per_million.low for each in findings.verdict.ranking]
        assert table["at_most_more_percent"].iloc[0] == 0


def test_an_hour_of_each_run_is_priced_in_the_columns_of_focus(exported):
    """Names and meanings: FOCUS 1.2, https://focus.finops.org/focus-specification/v1-2/."""
    findings, folder, _ = exported
    for table in (pd.read_csv(folder / "costs.csv"), pd.read_parquet(folder / "costs.parquet")):
        # Column ids are in Pascal case, or begin with x_.
        assert all(re.fullmatch(r"(x_)?([A-Z][a-z]+)+", name) for name in table.columns)
        # ListCost is the unit price multiplied by the quantity.
        product = table["ListUnitPrice"] * table["PricingQuantity"]
        np.testing.assert_allclose(table["ListCost"], product, rtol=1e-12)
        by_run = table.groupby("x_RunId")["ListCost"].sum()
        for run in findings.runs:
            assert by_run[run.manifest.run_id] == pytest.approx(run.manifest.cost.hourly)
        disks = table[table["x_Category"] == "boot disks"].set_index("x_Stack")
        # Two nodes with 20 GB each; 730 hours are a month: https://cloud.google.com/compute/disks-image-pricing.
        assert disks["PricingQuantity"]["8cpu-16gb"] == pytest.approx(2 * 20 / 730)
        assert set(table["PricingUnit"]) == {"vCPU-Hours", "GB-Hours", "GB-Months", "Cluster-Hours"}
        assert set(table["ServiceName"]) == {"Compute Engine", "Kubernetes Engine"}


def test_rows_are_all_there_with_the_contracts_columns(exported):
    findings, folder, _ = exported
    for run in findings.runs:
        for table in (
            pd.read_csv(folder / "rows" / f"{run.manifest.run_id}.csv"),
            pd.read_parquet(folder / "rows" / f"{run.manifest.run_id}.parquet"),
        ):
            assert tuple(table.columns) == REQUEST_COLUMNS
            assert len(table) == sum(run.summary.rows_by_phase.values())
            hold = table[(table["phase"] == run.manifest.counted_phase) & table["ok"]]
            assert hold["latency_us"].max() / 1000 == pytest.approx(run.summary.max_ms)


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "－1")
# Those of one line.
SHOWN = tuple(each for each in FORMULAS if each.isprintable())


def test_no_cell_of_a_csv_is_a_formula_for_a_spreadsheet(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    rows = make_rows(SMOKE, Server(40, 20))
    # Labels of one line are all that is read of the other two columns.
    for name, texts in (("worker", FORMULAS), ("error", SHOWN), ("backend", SHOWN)):
        at, field = rows.schema.get_field_index(name), rows.schema.field(name)
        filled = [*texts, *(["w0" if name == "worker" else None] * (rows.num_rows - len(texts)))]
        rows = rows.set_column(at, field, pa.array(filled))
    manifest = make_manifest(SMOKE)
    serving = manifest.serving.model_copy(update={"image": "=1+1", "server_version": "@SUM(A1)"})
    changes = {"serving": serving, "software": {"=1+1": "-1"}, "git_commit": "+1"}
    run_id = write_run(store, manifest.model_copy(update=changes), rows).run_id
    write_export(collect(store, Asked()), tmp_path / "export", store)
    cells = []
    for path in (tmp_path / "export").rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            cells += [cell for line in csv.reader(file) for cell in line]
    texts = [cell for cell in cells if not re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?|-?inf", cell)]
    assert [text for text in texts if text.startswith(tuple("=+-@\t\r\n＝＋－＠"))] == []
    assert {f"'{each}" for each in FORMULAS} <= set(texts)
    kept = pd.read_parquet(tmp_path / f"export/rows/{run_id}.parquet")
    assert set(FORMULAS) <= set(kept["worker"]), "Parquet is read by no spreadsheet"


def test_every_chart_of_the_report_is_a_picture_that_needs_no_page(exported):
    findings, folder, files = exported
    pictures = [path for path in files if path.parent.name == "charts"]
    names = {path.stem for path in pictures}
    # Five that compare the two variants, their bills, one of how latency grows for each, five of each run.
    assert len(names) == 5 + 1 + 2 + 5 * len(findings.runs)
    assert {path.suffix for path in pictures} == {".svg", ".png"}
    for name in names:
        svg = (folder / "charts" / f"{name}.svg").read_text()
        assert "var(" not in svg
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        width, height = map(float, re.search(r'width="([\d.]+)" height="([\d.]+)"', svg).groups())
        with Image.open(folder / "charts" / f"{name}.png") as image:
            assert image.size == pytest.approx((2 * width, 2 * height), abs=1)
            # More than a background: axes, letters, marks.
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20


def test_a_picture_has_the_pages_colours_on_its_background():
    drawing = (
        '<svg role="img" aria-label="&lt;a&gt;" viewBox="0 0 40 20"><path d="M0,0h20v20h-20Z" fill="var(--bad)"/></svg>'
    )
    with Image.open(BytesIO(png(standalone(drawing)))) as image:
        picture = image.convert("RGB")
        assert picture.size == (80, 40)
        assert picture.getpixel((20, 20)) == (0xB3, 0x26, 0x1E)
        assert picture.getpixel((60, 20)) == (255, 255, 255)


def test_the_markdown_is_that_of_the_report(exported):
    findings, folder, _ = exported
    text = (folder / "report.md").read_text()
    assert "## Ranking" in text
    assert findings.runs[0].manifest.run_id in text


def test_an_export_overwrites_nothing(exported, tmp_path):
    findings, folder, files = exported
    before = {path: path.stat().st_mtime_ns for path in files}
    with pytest.raises(FileExistsError, match="exists, and nothing in it is overwritten; remove it, or name"):
        write_export(findings, folder)
    assert {path: path.stat().st_mtime_ns for path in files} == before
    (tmp_path / "file").write_text("hello")
    with pytest.raises(FileExistsError):
        write_export(findings, tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="file is not a folder, so nothing can be written into"):
        write_export(findings, tmp_path / "file" / "export")


def test_an_export_that_fails_half_way_leaves_nothing(exported, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(export_module, "_write_table", full)
    with pytest.raises(OSError, match="no space left"):
        write_export(exported[0], tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_rows_that_cannot_be_read_name_the_run(store, tmp_path):
    manifest = write_run(store, make_manifest(SMOKE), make_rows(SMOKE, Server(40, 20)))
    findings = collect(store, Asked())
    [part], _ = store.parts(manifest)
    with open(part, "r+b") as file:  # noqa: PTH123 - the store hands out names
        file.seek(8)
        file.write(b"\xaa" * 400)
    with pytest.raises(OSError, match=f"run {manifest.run_id} cannot be read.*without --rows"):
        write_export(findings, tmp_path / "export", store)
    assert not (tmp_path / "export").exists()


def test_the_published_experiments_are_a_table_only_when_asked(exported, tmp_path):
    findings, without, _ = exported
    assert not (without / "seed.csv").exists()
    assert "Comparison with the published experiment" not in (without / "report.md").read_text()
    write_export(findings, tmp_path / "with", seed=True)
    assert "Comparison with the published experiment" in (tmp_path / "with" / "report.md").read_text()
    measured = next(run for run in findings.ranked if run.manifest.stack == "8cpu-16gb")
    for table in (pd.read_csv(tmp_path / "with" / "seed.csv"), pd.read_parquet(tmp_path / "with" / "seed.parquet")):
        assert len(table) == 15
        row = table.set_index("experiment").loc["2n-8c-16r-interop4"]
        assert row["run_id"] == measured.manifest.run_id
        assert row["goodput_rps"] == measured.summary.goodput_rps
        assert row["usd_24h"] == measured.summary.usd_24h
        # The others have a price and were not measured.
        unmeasured = table[table["run_id"].isna()]
        assert len(unmeasured) == 13
        assert unmeasured["goodput_rps"].isna().all()
        assert (unmeasured["usd_24h"] > 0).all()
