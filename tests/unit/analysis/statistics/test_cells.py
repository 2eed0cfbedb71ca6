import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.results.run.columns import RunRows
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.statistics.cells import CELLS, Cells, Tail, cells_of
from analysis.statistics.within import run_figures
from bench.stores.synthetic import make_columns


def hold(offsets_s, latency_s, ok=None):
    intended_start_us = np.array(np.array(offsets_s) * 1e6, dtype=np.int64)
    end_us = intended_start_us + np.array(np.array(latency_s) * 1e6, dtype=np.int64)
    return make_columns(
        intended_start_us,
        end_us,
        np.ones(len(intended_start_us), dtype=bool) if ok is None else np.array(ok, dtype=bool),
    )


def counted(rows, quantiles=(0.99,)):
    return cells_of(RunRows(rows, rows, SAMPLES_SCHEMA.empty_table(), ()), quantiles)


OUTCOMES = st.lists(
    st.tuples(st.floats(min_value=0, max_value=600), st.floats(min_value=0, max_value=30), st.booleans()),
    min_size=2,
    max_size=200,
).filter(lambda rows: len({round(row[0] * 1e6) for row in rows}) > 1)


@given(OUTCOMES)
def test_every_request_is_counted_once_and_every_quantile_is_numpys(rows):
    offsets_s, latency_s, ok = zip(*rows, strict=True)
    held = hold(offsets_s, latency_s, ok)
    cells = counted(held, (0.5, 0.99))
    assert cells.sent.sum() == len(rows)
    assert cells.good.sum() == sum(ok)
    assert cells.failed.sum() == len(rows) - sum(ok)
    for quantile, tail in cells.tails.items():
        response_us = (held.end_us - held.intended_start_us)[held.ok]
        assert tail.value_ms == np.quantile(response_us, quantile) / 1000
        assert (np.diff(tail.values_ms) >= 0).all()


@given(OUTCOMES)
def test_a_request_is_in_the_cell_between_whose_edges_it_was_due(rows):
    offsets_s, latency_s, ok = zip(*rows, strict=True)
    held = hold(offsets_s, latency_s, ok)
    first_us, last_us = int(held.intended_start_us.min()), int(held.intended_start_us.max())
    cells = counted(held)
    for at, requests in enumerate(cells.sent.tolist()):
        # In whole numbers, so that no edge is rounded; the last cell has its upper edge, too.
        after = (held.intended_start_us - first_us) * CELLS >= at * (last_us - first_us)
        before = (held.intended_start_us - first_us) * CELLS < (at + 1) * (last_us - first_us)
        assert requests == np.count_nonzero(after & (before | (at == CELLS - 1)))


def plainly_counted(rows, quantile):
    """As the definitions say it, step by step, on floating-point edges."""
    edges_us = np.linspace(0.0, float(rows.intended_start_us.max() - rows.intended_start_us.min()), CELLS + 1)
    cell = np.clip(
        np.searchsorted(edges_us, rows.intended_start_us - rows.intended_start_us.min(), side="right") - 1, 0, CELLS - 1
    )
    response_us = (rows.end_us - rows.intended_start_us)[rows.ok]
    within_us = rows.end_us[
        rows.ok & (rows.end_us > rows.intended_start_us.min()) & (rows.end_us <= rows.intended_start_us.max())
    ]
    came = np.clip(np.searchsorted(edges_us, within_us - rows.intended_start_us.min(), side="right") - 1, 0, CELLS - 1)
    good = np.bincount(cell[rows.ok], minlength=CELLS)
    slower = np.bincount(cell[rows.ok][response_us > np.quantile(response_us, quantile)], minlength=CELLS)
    levels = 1 / (1 + (1 - quantile) / quantile * np.geomspace(20, 1 / 20, 161))
    return Cells(
        duration_s=float(rows.intended_start_us.max() - rows.intended_start_us.min()) / 1e6,
        sent=np.bincount(cell, minlength=CELLS),
        good=good,
        arrived=np.bincount(came, minlength=CELLS),
        tails={
            quantile: Tail(
                quantile,
                float(np.quantile(response_us, quantile)) / 1000,
                slower - (1 - quantile) * good,
                levels,
                np.quantile(response_us, levels) / 1000,
            )
        },
    )


@pytest.mark.parametrize("seed", range(8))
def test_intervals_are_those_of_the_plain_definitions(seed):
    rng = np.random.default_rng(seed)
    offsets_s = np.sort(rng.uniform(0, 300, 20_000))
    latency_s = 0.1 * np.exp(0.3 * np.sin(offsets_s / (1 + seed)) + rng.normal(0, 0.3, offsets_s.size))
    order = rng.permutation(offsets_s.size)
    rows = hold(offsets_s[order] + 1.7e9 * (seed % 2), latency_s[order], rng.uniform(0, 1, offsets_s.size) > 0.01)
    assert run_figures("run", counted(rows)) == run_figures("run", plainly_counted(rows, 0.99))


def test_answers_count_where_they_came_if_that_is_in_the_hold():
    rows = hold([0, 480], [5.5, 1])
    every = hold([-2, -1, 0, 480], [1, 1.5, 5.5, 1])
    cells = cells_of(RunRows(every, rows, SAMPLES_SCHEMA.empty_table(), ()), (0.99,))
    assert cells.duration_s == 480
    assert np.flatnonzero(cells.arrived).tolist() == [0, 5]


def test_a_stalled_schedule_is_seen_by_every_request_that_it_delayed():
    # Due once a second; the server stalls for 4 s, and what waited is answered at once.
    offsets_s = np.arange(100.0)
    end_s = np.where((offsets_s >= 50) & (offsets_s < 54), 54.0, offsets_s + 0.1)
    cells = counted(hold(offsets_s, end_s - offsets_s), (0.98,))
    assert cells.tails[0.98].value_ms > 1900


@pytest.mark.parametrize("offsets_s", [[], [3.0], [3.0, 3.0]])
def test_a_hold_without_a_length_has_no_figures(offsets_s):
    assert counted(hold(offsets_s, [0.1] * len(offsets_s))) is None


def test_a_hold_without_a_good_answer_has_no_response_time():
    cells = counted(hold([0, 1, 2], [0.1] * 3, [False] * 3))
    assert cells.tails == {}
    assert cells.failed.sum() == 3


def test_a_million_rows_come_to_as_few_numbers_as_a_thousand():
    offsets_s = np.linspace(0, 300, 1_000_000)
    cells = counted(hold(offsets_s, np.full(offsets_s.size, 0.1)))
    assert cells.sent.size == cells.arrived.size == cells.tails[0.99].excess.size == CELLS
