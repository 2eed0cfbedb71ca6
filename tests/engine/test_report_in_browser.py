"""The report as people open it: from disk, in a real browser, on a phone and on a desk, by day and by night."""

import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from analysis.objective import Asked
from analysis.report.collect import collect
from analysis.report.render import write_report
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import Server, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import PROFILES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH to open the report in")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    store = ResultsStore(str(folder / "results"))
    smoke = PROFILES["smoke"]
    for stack, nodes, capacity_rps in (("2cpu-4gb", 8, 12), ("8cpu-16gb", 2, 40)):
        shape = {"stack": stack, "machine_type": "e2-custom-2-4096", "nodes": nodes}
        write_run(store, *make_search(capacity_rps, **shape))
        write_run(store, make_manifest(smoke, **shape), make_rows(smoke, Server(capacity_rps, service_ms=20)))
    # Without a search, so that the page has commands.
    write_run(store, make_manifest(smoke), make_rows(smoke, Server(40, service_ms=20)))
    html, _ = write_report(collect(store, Asked()), folder, seed=True)
    return html


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(params=[(360, "light"), (360, "dark"), (1280, "light"), (3840, "dark")], ids=str)
def opened(request, browser, report):
    """The page, and whatever it said or asked for while it was opened."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    heard = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda sent: heard.append(sent.url) if sent.url != report.as_uri() else None)
    page.goto(report.as_uri())
    yield page, heard
    context.close()


def test_it_needs_no_network_and_says_nothing_to_the_console(opened):
    _, heard = opened
    assert heard == []


def test_it_never_scrolls_sideways(opened):
    page, _ = opened
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_chart_is_drawn_with_an_accessible_name(opened):
    page, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    charts = page.locator("svg[role=img]").all()
    # Five that compare both variants, their bills, how latency grows in each of three, and five of each run.
    assert len(charts) == 5 + 1 + 3 + 5 * 5
    for chart in charts:
        box = chart.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 50
        assert chart.get_attribute("aria-label")
        assert chart.locator("path").count() > 0


def test_its_background_follows_the_readers_choice(opened):
    page, _ = opened
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[:3]
    assert (red + green + blue < 3 * 128) == dark


def test_axe_finds_nothing_that_keeps_people_out(opened):
    page, _ = opened
    # What is folded away is read, too.
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_link_to_a_run_opens_it(opened):
    page, _ = opened
    run = page.locator("details.run").first
    assert run.get_attribute("open") is None
    run_id = run.locator("article").get_attribute("id")
    page.locator(f"a[href='#{run_id}']").first.click()
    page.wait_for_function("document.querySelector('details.run').open")


def pages(page):
    """How many pages of A4 the page is printed on."""
    # Each page is an object of this type, ISO 32000-1, 7.7.3.3; Chromium does not compress them.
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(format="A4", prefer_css_page_size=True)))


def test_a_report_of_33_runs_of_fifteen_variants_is_printed_on_two_pages(browser, tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    for at in range(33):
        variant = at % 15
        changes = {"stack": f"stack-{variant // 3}", "deployment": f"d{at:011x}"}
        manifest, rows = make_search(30 + variant, at, 1500, **changes)
        serving = manifest.serving.model_copy(update={"inter_op": (2, 4, 8)[variant % 3]})
        write_run(store, manifest.model_copy(update={"serving": serving}), rows)
    html, _ = write_report(collect(store, Asked()), tmp_path)
    page = browser.new_page()
    page.goto(html.as_uri())
    assert pages(page) <= 2
    # A run that a reader has opened is printed, too.
    page.evaluate("document.querySelector('details.run').open = true")
    assert 2 < pages(page) <= 6
    page.close()


def test_no_label_of_a_legend_lies_on_another_or_outside(opened):
    """A browser's font may be wider than the one that the charts were drawn with."""
    page, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    overlapping = page.evaluate(
        """() => [...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
            const frame = svg.getBoundingClientRect();
            const boxes = [...svg.querySelectorAll('text')].filter(text => text.textContent.includes('interop'))
                .map(text => text.getBoundingClientRect());
            const outside = boxes.filter(box => box.right > frame.right + 1 || box.left < frame.left - 1);
            const over = boxes.filter((one, at) => boxes.slice(at + 1).some(other =>
                Math.abs(one.top - other.top) < 2 && one.right > other.left + 1 && other.right > one.left + 1));
            return [...outside, ...over].map(() => svg.getAttribute('aria-label'));
        })"""
    )
    assert overlapping == []
