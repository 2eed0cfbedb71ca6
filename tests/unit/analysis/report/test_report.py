import re
from datetime import timedelta
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from analysis.capacity.evidence import Basis, Evidence, evidence_of
from analysis.interval import Interval
from analysis.objective import Asked, Objective
from analysis.report.charts.run_charts import run_charts
from analysis.report.charts.series import HEAT_SHARES
from analysis.report.collect import collect
from analysis.report.data_tables import runs_frame
from analysis.report.document import document
from analysis.report.headline import headline
from analysis.report.provenance import provenance
from analysis.report.render import write_report
from analysis.results.schema.manifest import Computation, Generator, Machine, Model, Replica, Validity
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore, new_run_id
from analysis.verdict import verdict as verdict_module
from analysis.verdict.claims import claims
from analysis.verdict.effects import effects
from analysis.verdict.text import paragraph
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import PROFILES, ClosedLoop

SMOKE = PROFILES["smoke"]
ASKED = Asked()
FAST, SLOW = Server(capacity_rps=40, service_ms=20), Server(capacity_rps=12, service_ms=60)
SHARED_HOST = Generator(kind="locust", processes=1, cpu_peak_percent=None, shares_host_with_server=True)


def a_run(store, server=FAST, **changes):
    return write_run(store, make_manifest(changes.pop("load", SMOKE), **changes), make_rows(SMOKE, server))


def a_search(store, rps=60.0, **changes):
    return write_run(store, *make_search(rps, **changes))


def a_local_run(store, **changes):
    machine = {"stack": "local", "machine_type": "e2-custom-2-4096", "nodes": 1}
    manifest, rows = make_search(10, platform="local", generator=SHARED_HOST, **machine | changes)
    served = {
        "server": "shapebench-embedded",
        "server_version": "0.1.0",
        "image": None,
        "model": Model(name="resnet", digest="sha256:00", weights="random"),
    }
    manifest = manifest.model_copy(update={"serving": manifest.serving.model_copy(update=served)})
    return write_run(store, manifest, rows)


def rendered(store, folder):
    html, markdown = write_report(collect(store, ASKED), folder)
    return html.read_text(), markdown.read_text()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Searches and a closed loop on a cluster, one run invalid in a dangerous way, one local, and a foreign file."""
    folder = tmp_path_factory.mktemp("mixed")
    store = ResultsStore(str(folder / "results"))
    a_search(store, 30, stack="2cpu-4gb", machine_type="e2-custom-2-4096", nodes=8)
    a_search(store, 60)
    a_run(store)
    reasons = ("38 % failed | <script>alert(1)</script>", "a node\nwas replaced")
    a_run(store, FAST, stack="4cpu-8gb", validity=Validity(verdict="invalid", reasons=reasons))
    a_local_run(store)
    (folder / "results" / "runs" / "notes.txt").write_text("hello")
    findings = collect(store, ASKED)
    html, markdown = rendered(store, folder / "report")
    return findings, html, markdown


class Page(HTMLParser):
    """Every element with its attributes, and all text of the page."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_runs_on_a_cluster_are_ranked_by_cost_and_nothing_else_is(mixed):
    findings, _, _ = mixed
    assert [run.manifest.stack for run in findings.ranked] == ["8cpu-16gb", "2cpu-4gb"]
    assert [run.manifest.stack for run in findings.unranked] == ["8cpu-16gb", "local"]
    assert [run.manifest.stack for run in findings.invalid] == ["4cpu-8gb"]


def test_the_verdict_comes_first_and_is_that_of_the_command(mixed):
    findings, html, markdown = mixed
    top = headline(findings)
    usd = findings.verdict.ranking[0].usd_per_million
    cost = f"{usd.value:.2f} ({usd.low:.2f} to {usd.high:.2f}) USD"
    assert top.claim == f"A million predictions cost {cost} on 8cpu-16gb · interop4"
    assert top.detail == paragraph(findings.verdict)
    first, _, _ = Page(html).text.partition("Ranking")
    for text in (first, markdown.partition("## ")[0]):
        assert top.claim in text
        assert top.detail in text


def test_the_ranking_has_an_interval_for_every_figure(mixed):
    findings, html, markdown = mixed
    for each in findings.verdict.ranking:
        cost = each.usd_per_million
        shown = f"{cost.value:.2f} ({cost.low:.2f} to {cost.high:.2f})"
        assert shown in Page(html).text
        assert shown in markdown


def test_a_variant_of_which_only_bounds_are_known_is_drawn_and_shown_as_such(tmp_path, monkeypatch):
    store = ResultsStore(str(tmp_path / "results"))
    a_search(store)
    a_run(store, stack="2cpu-4gb", machine_type="e2-custom-2-4096", nodes=8)

    def with_a_bound(manifest, rows, objective):
        if manifest.capacity:
            return evidence_of(manifest, rows, objective)
        return Evidence(manifest.run_id, Basis.open_loop, Interval(None, low=10.0))

    monkeypatch.setattr(verdict_module, "evidence_of", with_a_bound)
    html, markdown = rendered(store, tmp_path / "report")
    for text in (Page(html).text, markdown):
        assert "at least 9." in text, "with room for other deployments"
        assert "Only bounds of the capacity of 2cpu-4gb · interop4 are known; search for it." in text
        assert "shapebench sweep --stack 2cpu-4gb --inter-op " in text
    assert "▸" in Page(html).text
    assert "inf" not in Page(html).text.lower().split()


def test_what_each_run_says_of_the_capacity_is_shown(mixed):
    findings, html, markdown = mixed
    for ranked in findings.verdict.ranking:
        [evidence] = ranked.capacity.evidence
        assert f"| {evidence.rps.low:.1f} | {evidence.rps.high:.1f} |" in markdown
        assert f"<td>{evidence.rps.low:.1f}</td><td>{evidence.rps.high:.1f}</td>" in html


def test_claims_and_pairs_are_shown_if_two_variants_differ_in_one_factor(mixed):
    findings, html, markdown = mixed
    [pair] = effects(findings.verdict.ranking)
    assert pair.change == "8 × 2 vCPUs → 2 × 8 vCPUs"
    for text in (Page(html).text, markdown):
        assert pair.change in text
        for claim in claims([pair]):
            assert claim.claim in text
            assert claim.why in text


def test_runs_that_are_not_ranked_have_a_reason(mixed):
    _, html, markdown = mixed
    for text in (Page(html).text, markdown):
        assert "ran on this machine, so it does not compare with runs on GKE" in text
        assert "says nothing about" in text


def test_the_report_says_which_machines_served_and_what_each_cpu_that_came_by_chance_costs(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    for model in ("Xeon", "EPYC"):
        machine = {"node": f"gke-{model}", "cpu_model": model, "kernel": "6.6.72+"}
        generator = SHARED_HOST.model_copy(update={"machine": Machine(**machine | {"node": "gke-load"})})
        a_search(store, replicas=(Replica(name="s0", **machine),), generator=generator)
    html, markdown = rendered(store, tmp_path / "report")
    for text in (Page(html).text, markdown):
        assert "Every server ran on EPYC or Xeon." in text
        assert "expected over the CPU models that nodes of E2 in us-central1 get by chance, of which 2 nodes" in text
        assert "does not compare" not in text
        assert "8cpu-16gb · interop4 · intraop8 · Xeon" in text, "its levels of load are another variant's"
        assert "gke-Xeon: Xeon, Linux 6.6.72+" in text
        assert "gke-load: EPYC, Linux 6.6.72+" in text
    assert "| 8cpu-16gb · interop4 | Xeon | 50.00 (" in markdown


def test_without_evidence_the_report_leads_with_the_commands_to_run_next(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    a_run(store)
    findings = collect(store, Objective(latency_ms=300))
    assert headline(findings).claim == "No run says yet what a million predictions cost"
    html, markdown = write_report(findings, tmp_path / "report")
    for text in (Page(html.read_text()).text, markdown.read_text()):
        first, _, _ = text.rpartition("How the figures are computed")
        assert "shapebench sweep --stack 8cpu-16gb" in first
        assert "--p99 300ms --errors 0.1% --strategy grid --blocks 1" in first


def test_the_page_fetches_nothing_and_runs_nothing(mixed):
    _, html, _ = mixed
    page = Page(html)
    assert page.all("script") == page.all("link") == page.all("img") == page.all("iframe") == []
    assert [key for _, attributes in page.elements for key in attributes if key in {"src", "srcset", "onclick"}] == []
    assert all(anchor["href"].startswith("#") for anchor in page.all("a"))
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", html)
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_every_drawing_has_a_name_and_takes_the_pages_colours(mixed):
    _, html, _ = mixed
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    # Five that compare the ranked runs, their bills, one for each of three valid variants, and five for each run.
    assert len(drawings) == 5 + 1 + 3 + 5 * 5
    for drawing in drawings:
        assert re.match(r'<svg role="img" aria-label="[^"]{20,}" viewBox="0 0 440 \d+">', drawing)
        colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawing))
        assert all(colour in {"none", "transparent"} or colour.startswith("var(--") for colour in colours), colours
        assert drawing.count("role=") == drawing.count("aria-") == 1
        assert " id=" not in drawing
        assert "NaN" not in drawing


def test_every_colour_of_a_drawing_is_defined_for_light_and_dark(mixed):
    _, html, _ = mixed
    style = html[html.index("<style>") : html.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark")
    for name in set(re.findall(r"var\((--[\w-]+)\)", html)):
        assert f"{name}:" in light
        assert f"{name}:" in dark


def test_identifiers_are_unique_and_links_lead_somewhere(mixed):
    page = Page(mixed[1])
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = {anchor["href"][1:] for anchor in page.all("a")}
    targets |= {name for _, attributes in page.elements if (name := attributes.get("aria-labelledby"))}
    assert targets <= set(identifiers)


def test_every_region_of_the_page_has_a_name_of_its_own(mixed):
    page = Page(mixed[1])
    headings = dict(re.findall(r'<h[23] id="([^"]+)">([^<]+)</h', mixed[1]))
    names = [headings[section["aria-labelledby"]] for section in page.all("section")]
    names += [region["aria-label"] for region in page.all("div") if region.get("role") == "region"]
    assert len(names) == len(set(names))


def test_text_from_a_manifest_cannot_become_markup(mixed):
    _, html, markdown = mixed
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    [line] = [line for line in markdown.splitlines() if line.startswith("| 4cpu-8gb")]
    assert "failed \\|" in line
    assert "a node was replaced" in line


def test_reasons_and_skipped_files_are_listed(mixed):
    _, html, markdown = mixed
    for text in (Page(html).text, markdown):
        assert "38 % failed" in text
        assert "runs/notes.txt" in text


def test_every_run_has_the_facts_of_its_origin(mixed):
    findings, html, markdown = mixed
    for fact in ("Platform", "Server", "Settings", "Model", "Load", "Counted phase", "Prices", "Commit", "Software"):
        assert html.count(f"<dt>{fact}</dt>") == markdown.count(f"- {fact}: ") == len(findings.runs)


def test_the_settings_name_a_cpu_limit_and_say_nothing_of_none(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    limited = make_manifest(SMOKE)
    limited = limited.model_copy(update={"serving": limited.serving.model_copy(update={"cpu_limit": 1.5})})
    for manifest in (limited, make_manifest(SMOKE)):
        write_run(store, manifest, make_rows(SMOKE, FAST))
    _, markdown = rendered(store, tmp_path / "report")
    settings = [line for line in markdown.splitlines() if line.startswith("- Settings: ")]
    assert sorted(line.partition("inter_op 4")[2] for line in settings) == ["", ", CPU limit of 1.5 vCPUs each"]


AVX2, VNNI = (Replica(name=name, cpu_model="a", cpu_flags=flags) for name, flags in
              (("s0", ("avx2",)), ("s1", ("avx2", "avx512_vnni"))))  # fmt: skip


def test_report_and_export_say_how_a_converted_model_was_computed(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    computation = Computation(precision="float32", largest_difference=1.23e-7)
    made = make_manifest(SMOKE)
    converted = made.serving.model_copy(update={"computation": computation})
    for serving in (made.serving, converted):
        update = {"serving": serving, "run_id": new_run_id()}
        write_run(store, made.model_copy(update=update), make_rows(SMOKE, FAST))
    plain, of_converted = (dict(provenance(run)) for run in collect(store, ASKED).runs)
    assert "Computation" not in plain
    assert (
        of_converted["Computation"]
        == "float32; answers differ from TensorFlow's by 1.2e-07 of their largest number at most"
    )
    rows = runs_frame(store, [run.manifest for run in collect(store, ASKED).runs])
    columns = rows[["serving.computation.precision", "serving.computation.largest_difference"]]
    assert columns.iloc[1].tolist() == ["float32", 1.23e-7]
    assert columns.iloc[0].isna().all()


@pytest.mark.parametrize(
    ("one_dnn", "replicas", "fact"),
    [
        (True, (AVX2,), "on"),
        (False, (VNNI,), "off"),
        (None, (AVX2,), "TensorFlow's default: off"),
        (None, (VNNI,), "TensorFlow's default: on"),
        (None, (AVX2, VNNI), "TensorFlow's default: on for some of these CPUs, off for others"),
        (None, (AVX2, Replica(name="s1")), "TensorFlow's default"),
        (None, (), "TensorFlow's default"),
    ],
)
def test_a_report_says_whether_the_servers_computed_with_onednn(tmp_path, one_dnn, replicas, fact):
    store = ResultsStore(str(tmp_path / "results"))
    made = make_manifest(SMOKE, replicas=replicas)
    serving = made.serving.model_copy(update={"one_dnn": one_dnn})
    write_run(store, made.model_copy(update={"serving": serving}), make_rows(SMOKE, FAST))
    [run] = collect(store, ASKED).runs
    facts = dict(provenance(run))
    assert facts["oneDNN"] == fact
    for replica in replicas:
        assert replica.cpu_flags is None or f"a, {' '.join(replica.cpu_flags)}, Linux" in facts["Server machines"]


def test_the_embedded_server_is_never_called_tensorflow_serving(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    a_local_run(store)
    html, markdown = rendered(store, tmp_path / "report")
    assert "embedded server 0.1.0" in Page(html).text
    assert "TensorFlow Serving" not in html + markdown


def test_a_report_replaces_an_older_one_and_nothing_else(mixed, tmp_path):
    for _ in range(2):
        write_report(mixed[0], tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["report.html", "report.md"]
    (tmp_path / "file").write_text("hello")
    with pytest.raises(NotADirectoryError, match="file is not a folder, so nothing can be written into"):
        write_report(mixed[0], tmp_path / "file" / "report")


def test_a_store_of_local_runs_is_called_a_rehearsal_and_says_what_it_does_not_show(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    a_local_run(store)
    top = headline(collect(store, ASKED))
    assert "rehearsal" in top.claim
    assert "1 × e2-custom-2-4096 it stands in for" in top.detail
    assert "does not show" in " ".join(top.caveats)
    assert "random weights" in " ".join(top.caveats)


def test_a_single_variant_is_not_called_the_cheapest(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    a_search(store)
    assert "lowest" not in headline(collect(store, ASKED)).detail


def test_invalid_runs_alone_give_no_claim(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    a_run(store, validity=Validity(verdict="invalid", reasons=("all requests failed",)))
    findings = collect(store, ASKED)
    assert findings.ranked == ()
    assert headline(findings).claim == "No run says yet what a million predictions cost"
    assert headline(findings).detail == "The only run is invalid; the reasons are below."
    html, _ = rendered(store, tmp_path / "report")
    assert "all requests failed" in html


def test_runs_of_one_stack_have_different_names(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    stored = [a_run(store), a_run(store, started_at=STARTED_AT.replace(hour=11))]
    threads = make_manifest(SMOKE)
    threads = threads.model_copy(update={"serving": threads.serving.model_copy(update={"inter_op": 8})})
    stored.append(write_run(store, threads, make_rows(SMOKE, FAST)))
    names = {run.name for run in collect(store, ASKED).runs}
    settings = ("interop4", "interop4", "interop8")
    assert names == {f"8cpu-16gb · {name} · {run.run_id[-6:]}" for name, run in zip(settings, stored, strict=True)}


def test_the_contents_link_to_every_part_of_the_page(mixed):
    _, html, _ = mixed
    nav = html[html.index("<nav") : html.index("</nav>")]
    linked = re.findall(r'href="#([\w-]+)"', nav)
    assert linked == re.findall(r'<h2 id="([\w-]+)"', html.replace(nav, ""))
    assert {"ranking", "bills", "runs", "each", "method"} <= set(linked)


def test_the_commands_are_folded_behind_the_ranking(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    for at, rps in enumerate((60, 62)):
        a_search(store, rps, stack=f"stack-{at}")
    html, markdown = rendered(store, tmp_path / "report")
    nav = html[html.index("<nav") : html.index("</nav>")]
    assert nav.index("#ranking") < nav.index("#next") < nav.index("#bills")
    command, after_the_ranking = "shapebench sweep --stack", html.index("</section>")
    assert html.index('id="ranking"') < after_the_ranking < html.index(command)
    inside = html[: html.index(command)]
    assert inside.rindex("<details") > inside.rindex("</details>") if "</details>" in inside else "<details" in inside
    assert "<details open" not in inside
    assert markdown.index("## Ranking") < markdown.index("## What to run next") < markdown.index(command)


def test_the_winner_is_marked_in_the_table_and_in_the_chart(mixed):
    findings, html, markdown = mixed
    [row] = re.findall(r'<tr class="winner">.*?</tr>', html)
    assert "8cpu-16gb · interop4" in row
    assert ">best<" in row
    assert "| **8cpu-16gb · interop4** | best |" in markdown
    cost = re.search(r"Cost per million predictions<span>.*?(<svg.*?</svg>)", html, re.DOTALL)[1]
    winner = findings.verdict.ranking[0].usd_per_million.value
    assert re.findall(r'font-weight="bold"[^>]*>([^<]+)<', cost) == [f"{winner:.2f}"]


def test_only_the_summary_and_what_is_open_is_printed(mixed):
    _, html, _ = mixed
    sections = re.findall(r'<section aria-labelledby="([\w-]+)"( class="behind")?>', html)
    assert [name for name, behind in sections if not behind] == ["ranking", "bills"]
    printed = html[html.index("@media print") :]
    assert "details:not([open]), .behind:not(:has(details[open])) { display: none; }" in printed
    assert html.count('<details class="run"') == 5
    assert '<details class="run" open' not in html


def relative_luminance(colour):
    """WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((relative_luminance(one), relative_luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def blended(colour, opacity, page):
    mixed = (
        round(opacity * int(colour[at : at + 2], 16) + (1 - opacity) * int(page[at : at + 2], 16)) for at in (1, 3, 5)
    )
    return "#" + "".join(f"{each:02x}" for each in mixed)


def test_every_mark_that_stands_for_a_figure_has_the_contrast_that_wcag_asks_of_graphics(mixed):
    """Success criterion 1.4.11, https://www.w3.org/TR/WCAG22/#non-text-contrast: at least 3:1 against the page."""
    _, html, _ = mixed
    compared = html[html.index('id="ranking"') : html.index('id="each"')]
    light, _, dark = html[html.index(":root") :].partition("@media")
    marks = {
        (name, min(float(each) for each in (*re.findall(r'opacity="([\d.]+)"', tag), "1")))
        for tag in re.findall(r"<path [^>]*>", compared)
        for name in re.findall(r'(?:fill|stroke)="var\((--series-\d|--bad)\)"', tag)
    }
    assert len({name for name, _ in marks}) >= 3
    for theme in (light, dark.partition("@media")[0]):
        values = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", theme))
        for name, opacity in marks:
            found = contrast(blended(values[name], opacity, values["--page"]), values["--page"])
            assert found >= 3, (name, opacity, found)


def test_latency_against_rate_is_drawn_at_the_quantile_of_the_objective(tmp_path):
    load = PROFILES["capacity"].model_copy(update={"quantile": 0.9})
    store = ResultsStore(str(tmp_path / "results"))
    written = write_run(store, *make_search(60, load=load))
    _, markdown = rendered(store, tmp_path / "report")
    [run] = collect(store, ASKED).runs
    [chart] = [run_chart for run_chart in run_charts(run) if run_chart.title == "Latency against rate"]
    assert ">p90<" in chart.svg
    assert ">p99<" not in chart.svg
    assert "the limit of p90, 500 ms" in chart.caption
    assert [step.rate_rps for step in run.series.by_rate] == [step.rate_rps for step in written.capacity.steps]
    # Of the synthetic search the first two rates keep the limit, the others miss it.
    assert [step.at_quantile_ms for step in run.series.by_rate] == [250, 250, 750, 750]
    assert "p90 within 500 ms" in markdown


@pytest.mark.parametrize("what", ["no rows", "warm-up only", "errors only", "one request", "no price", "damaged"])
def test_a_run_with_unusual_rows_or_no_price_is_reported(store, table, row, tmp_path, what):
    rows = {
        "no rows": [],
        "warm-up only": [row(0, phase="warmup"), row(1, phase="warmup")],
        "errors only": [row(second, phase=phase, ok=False) for second, phase in enumerate(["ramp", "hold", "hold"])],
        "one request": [row(0)],
    }.get(what, [row(second / 10, phase="ramp" if second < 20 else "hold") for second in range(100)])
    manifest = make_manifest(SMOKE)
    if what == "no price":
        billed = [item.model_copy(update={"unit_price": None, "hourly": None}) for item in manifest.cost.line_items]
        cost = manifest.cost.model_copy(update={"line_items": tuple(billed), "hourly": None})
        manifest = manifest.model_copy(update={"cost": cost})
    write_run(store, manifest, table(rows))
    if what == "damaged":
        [part], _ = store.parts(manifest)
        with open(part, "r+b") as file:  # noqa: PTH123 - the store hands out names
            file.seek(8)
            file.write(b"\xaa" * 400)
    html, markdown = rendered(store, tmp_path / "report")
    assert manifest.run_id in html
    assert manifest.run_id in markdown
    assert "nan" not in Page(html).text.lower().split()


def test_the_number_of_users_follows_from_the_spawn_rate(store):
    load = ClosedLoop(users=60, spawn_rate_per_s=2, wait_s=1, warmup_s=0, duration_s=60)
    write_run(store, make_manifest(load), make_rows(load, Server(capacity_rps=1000, service_ms=1)))
    [run] = collect(store, ASKED).runs
    by_users = run.series.by_users
    # 60 users on at most 30 points: two users a point, reached one second after the other.
    assert by_users["users"].tolist() == [2 * point + 1.5 for point in range(30)]
    # An unloaded server answers each user once a second (it waits 1 s, the answer takes 1 ms).
    assert by_users["goodput_rps"].tolist() == pytest.approx(by_users["users"].tolist(), abs=2.5)


def test_the_user_of_the_warm_up_is_counted_during_the_ramp(store):
    load = ClosedLoop(users=10, spawn_rate_per_s=1, wait_s=1, warmup_s=3, duration_s=15)
    write_run(store, make_manifest(load), make_rows(load, Server(capacity_rps=1000, service_ms=1)))
    [run] = collect(store, ASKED).runs
    assert run.series.by_users["users"].tolist() == list(range(2, 11))


def test_the_distribution_counts_every_good_answer_once(store):
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=40, error_share=0.2))
    write_run(store, make_manifest(SMOKE), rows)
    [run] = collect(store, ASKED).runs
    bins = run.series.distribution
    assert bins["count"].sum() == run.summary.good
    assert bins["high_ms"].max() == pytest.approx(run.summary.max_ms)
    assert (bins["low_ms"] < bins["high_ms"]).all()


def test_the_heat_map_counts_in_a_window_only_what_was_due_in_it(store, table, row):
    quick = [row(second / 10, 10) for second in range(100)]
    mixed = [row(10 + second / 10, 10 if second % 4 else 1000) for second in range(100)]
    failed = [row(20, 5000, ok=False)]
    write_run(store, make_manifest(SMOKE), table(quick + mixed + failed))
    [run] = collect(store, ASKED).runs
    assert run.series.window_s == 1
    heat = run.series.heat
    # Of the ten answers that were due in this second, three took long.
    tenth = heat[(heat["start_s"] <= 10) & (heat["end_s"] > 10)].sort_values("low_ms")
    assert tenth["shade"].tolist() == [HEAT_SHARES.index(0.5), HEAT_SHARES.index(0.2)]
    assert heat["low_ms"].min() == pytest.approx(10)
    assert heat["high_ms"].max() == pytest.approx(1000)


def test_neighbouring_windows_of_the_heat_map_that_look_alike_are_drawn_as_one(store, table, row):
    gap = [row(second, 10 if second < 20 else 20) for second in range(60) if not 30 <= second < 40]
    write_run(store, make_manifest(SMOKE), table(gap))
    [run] = collect(store, ASKED).runs
    stretches = run.series.heat[["start_s", "end_s", "shade"]].itertuples(index=False)
    assert [tuple(each) for each in stretches] == [(0, 20, 4), (20, 30, 4), (40, 60, 4)]


def test_a_long_run_has_as_few_points_as_a_short_one(store, table, row):
    hours = table([row(minute * 60, 100) for minute in range(8 * 60)])
    write_run(store, make_manifest(SMOKE), hours)
    [run] = collect(store, ASKED).runs
    assert len(run.series.over_time) <= 75
    assert run.series.over_time["requests"].sum() == hours.num_rows


def beside(replica: str, cores: float, memory_mib: float, stolen: float | None = None) -> list[dict[str, object]]:
    """Samples of a replica's pod and of the other programs of its node, for the whole run."""
    values = {"cpu_cores": 1.0, "most_cores": 2.0, "other_cpu_cores": cores, "other_memory_bytes": memory_mib * 2**20}
    values |= {} if stolen is None else {"stolen_cores": stolen}
    return [
        {"at": STARTED_AT + timedelta(seconds=second), "subject": replica, "quantity": quantity, "value": value}
        for second in range(1, 8)
        for quantity, value in values.items()
    ]


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (beside("a", 0.1402, 620), "Beside the server, other programs of its node used 0.14 vCPUs and 620 MiB."),
        (
            beside("a", 0.1402, 620) + beside("b", 0.3, 580.4),
            "Beside the server, other programs of each node used 0.14 to 0.30 vCPUs and 580 to 620 MiB.",
        ),
        (
            beside("a", 0.1902, 620, 0.05) + beside("b", 0.3, 580.4),
            (
                "Beside the server, other programs of each node used 0.14 to 0.30 vCPUs and 580 to 620 MiB,"
                " and the hypervisor gave 0.05 vCPUs to other machines (steal)."
            ),
        ),
    ],
)
def test_the_report_says_what_else_ran_on_each_node(store, tmp_path, samples, sentence):
    manifest = make_manifest(SMOKE)
    write_run(store, manifest, make_rows(SMOKE, FAST), pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA))
    html, markdown = rendered(store, tmp_path / "report")
    for text in (Page(html).text, markdown):
        assert sentence in text
    assert re.search(r">0\.14</td>\s*<td[^>]*>620</td>", html)


def test_a_run_whose_nodes_were_not_sampled_has_no_word_of_them(mixed):
    _, html, markdown = mixed
    assert "other programs" not in html + markdown


def test_a_run_with_samples_shows_resource_usage_and_the_bottleneck(store, tmp_path):
    manifest = make_manifest(SMOKE)
    at = [STARTED_AT + timedelta(seconds=second) for second in range(1, 8)]
    used = {"server": {"cpu_cores": 7.9, "most_cores": 8, "memory_bytes": 2.5e9}}
    used |= {"generator": {"cpu_cores": 0.21, "most_cores": 4, "memory_bytes": 9e7}}
    samples = [
        {"at": moment, "subject": subject, "quantity": quantity, "value": value}
        for moment in at
        for subject, values in used.items()
        for quantity, value in values.items()
    ]
    samples += [
        {"at": moment, "subject": "server", "quantity": quantity, "value": value * second}
        for second, moment in enumerate(at)
        for quantity, value in {
            "requests_ok_total": 5,
            "request_latency_us_sum": 9e4,
            "request_latency_count": 5,
        }.items()
    ]
    write_run(store, manifest, make_rows(SMOKE, FAST), pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA))
    a_run(store, stack="older")
    html, markdown = rendered(store, tmp_path / "report")
    for text in (Page(html).text, markdown):
        assert "The server was the bottleneck: it used 7.90 of 8 cores." in text
        assert "The bottleneck is not known: there are no CPU samples of server and generator" in text
        assert "The server counted 30 requests in the whole run" in text
        assert "Mean latency of a request: 18.0 ms inside the server" in text
        assert "Server counters: none, since the servers have no metrics page" in text
    assert "From the first to the last reading in" in Page(html).text
    drawings = [label for svg in Page(html).all("svg") if " during " in (label := svg["aria-label"])]
    assert [label.partition(" during ")[0] for label in drawings] == ["Cores in use", "Resident memory"]
    assert "The server has 8 available." in drawings[0]
    assert "2\N{NARROW NO-BREAK SPACE}500" in Page(html).text
    assert "NaN" not in html


def test_pages_of_an_earlier_report_serve_again_for_runs_that_have_not_changed_and_for_no_other(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    same, damaged = a_run(store), a_run(store, SLOW)
    drawn = {}
    document(collect(store, ASKED), drawn=drawn)
    earlier = dict(drawn)
    next((tmp_path / "results").glob(f"requests/*/run_id={damaged.run_id}/*.parquet")).unlink()
    added = a_run(store)
    findings = collect(store, ASKED)
    pages = {page.run.manifest.run_id: page for page in document(findings, drawn=drawn).pages}
    assert set(pages) == {same.run_id, damaged.run_id, added.run_id}
    assert [run_id for run_id, page in earlier.items() if pages[run_id] is page] == [same.run_id]
    anew = write_report(findings, tmp_path / "anew")
    again = write_report(findings, tmp_path / "again", drawn=drawn)
    for one, other in zip(anew, again, strict=True):
        assert without_time(one.read_text()) == without_time(other.read_text())


def without_time(text):
    return re.sub(r"Written \S+ \S+ UTC", "", text)
