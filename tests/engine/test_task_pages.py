"""The lines of the task pages that need runs, typed from the pages. `.ci/run` types the others in a fresh clone.

The runs are synthetic: they have the capacities that a test gives them. The page on a model of one's own is typed with
real ones, in test_own_model_page.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.results.storage.store import ResultsStore
from stacks.load.load_profiles import PROFILES
from tests.support.copied_checkout import copy_checkout, shell_in, type_line
from tests.support.production import write_search
from tools.first_hour import Line, Shell, lines_of
from tools.pins import ROOT

AFTER_A_SEARCH = "# only after a capacity search"
TWO_STORES = "# only with two results stores"
WITH_MONEY = "# only with a Google Cloud project: it costs money"
# The machines of each page that measures: two nodes of eight vCPUs each, in the order of what a prediction costs.
MACHINES = {
    "docs/tasks/n2-or-c4.md": {"c4-highcpu-8": 60.0, "n2-highcpu-8": 30.0},
    "docs/tasks/which-machine.md": {"n4d-highcpu-8": 60.0, "c4d-highcpu-8": 50.0, "c3d-highcpu-8": 35.0},
}


def lines(page: str, only: str | None = None) -> list[Line]:
    return list(lines_of(page, (ROOT / page).read_text(), only))


def measure(results: Path, machines: dict[str, float]) -> None:
    """Three deployments of each machine, with p99 <= 300 ms at the capacity that is given, and 1 % beside it."""
    store = ResultsStore(str(results))
    load = PROFILES["capacity"].model_copy(update={"latency_ms": 300.0, "quantile": 0.99})
    for machine, capacity_rps in machines.items():
        for relative in (0.99, 1.0, 1.01):
            write_search(store, relative * capacity_rps, stack=f"2x{machine}", machine_type=machine, load=load)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_checkout(tmp_path / "checkout")


@pytest.fixture
def shell(checkout: Path, tmp_path: Path) -> Iterator[Shell]:
    with shell_in(checkout, tmp_path / "home") as shell:
        yield shell


def test_every_block_that_is_not_typed_in_a_fresh_clone_is_typed_here() -> None:
    pages = sorted((ROOT / "docs/tasks").glob("*.md"))
    labels = {line for page in pages for line in page.read_text().splitlines() if line.startswith("# only")}
    assert labels == {AFTER_A_SEARCH, TWO_STORES, WITH_MONEY}


@pytest.mark.parametrize("page", MACHINES)
def test_what_costs_money_is_planned_on_the_same_page_and_its_verdict_names_the_cheapest(
    page: str, checkout: Path, shell: Shell, capfd: pytest.CaptureFixture[str]
) -> None:
    sweep, *verdicts = lines(page, WITH_MONEY)
    assert f"{sweep.command} --plan" in [line.command for line in lines(page)]
    measure(checkout / "results", MACHINES[page])
    for line in verdicts:
        capfd.readouterr()
        type_line(shell, line)
        said = capfd.readouterr().out
        positions = [said.index(machine) for machine in MACHINES[page]]
        assert positions == sorted(positions)


def test_a_month_is_priced_from_a_capacity(checkout: Path, shell: Shell, capfd: pytest.CaptureFixture[str]) -> None:
    measure(checkout / "results", {"c4-highcpu-8": 60.0})
    page = "docs/tasks/cost-a-month.md"
    plan, day, manifests = lines(page, AFTER_A_SEARCH)
    for line in (plan, day):
        capfd.readouterr()
        type_line(shell, line)
        assert "USD" in capfd.readouterr().out
    type_line(shell, manifests)
    assert len(list(checkout.glob("manifests/*.yaml"))) == 5


def test_two_stores_are_compared(
    checkout: Path, shell: Shell, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    [line] = lines("docs/tasks/in-a-repository.md", TWO_STORES)
    assert line.command.count("gs://bucket/") == 2
    for name, capacity_rps in {"before": 40.0, "after": 60.0}.items():
        measure(tmp_path / name, {"c4-highcpu-8": capacity_rps})
    local = Line(line.page, line.number, line.command.replace("gs://bucket", str(tmp_path)), line.statuses)
    type_line(shell, local)
    assert "2xc4-highcpu-8" in capfd.readouterr().out
