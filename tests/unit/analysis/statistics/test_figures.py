from dataclasses import dataclass
from typing import Annotated

import pytest

from analysis.formatting import number
from analysis.results.run.columns import read_columns
from analysis.statistics.figures import Figure, RunData, Shown, declared
from analysis.statistics.summary import FIGURES, RunSummary, figures, summary_of
from bench.stores.synthetic import make_manifest, write_run
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]


@pytest.fixture
def run(store, table, row):
    manifest = write_run(store, make_manifest(SMOKE), table([row(second, 100 + second) for second in range(50)]))
    return manifest, read_columns(store, manifest)


def test_every_number_of_a_summary_is_a_declared_figure(run):
    plain = summary_of(*run).to_dict()
    others = {"run_id", "stack", "valid", "verified", "reasons", "rows_by_phase", "errors"}
    assert plain.keys() - others == FIGURES.keys()


@pytest.mark.parametrize("shown", [Shown.RUNS, Shown.REPORT, Shown.RUN, Shown.OUTPUT, Shown.REPEATS])
def test_a_table_has_the_figures_that_are_declared_for_it(run, shown):
    summary = summary_of(*run)
    assert [figure.name for figure in figures(shown)] == [name for name, each in FIGURES.items() if shown in each.shown]
    assert summary.figures(shown) == {figure.name: getattr(summary, figure.name) for figure in figures(shown)}
    titles = [figure.title for figure in figures(shown)]
    assert len(set(titles)) == len(titles) > 0


def test_a_new_figure_is_one_declaration(run):
    @dataclass(frozen=True)
    class Longer(RunSummary):
        p98_ms: Annotated[float | None, Figure("p98", "ms", number, formula=lambda run: run.response_ms(0.98))]

    *_, added = declared(Longer)
    assert (added.name, added.title, added.label) == ("p98_ms", "p98, ms", "p98, ms")
    assert added.show(added.of(RunData(*run))) == "148"
