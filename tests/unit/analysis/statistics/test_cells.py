import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.cells import CELLS, Hold, cells_of


def hold(due_s, latency_s, ok=None):
    due_us = np.array(np.array(due_s) * 1e6, dtype=np.int64)
    end_us = due_us + np.array(np.array(latency_s) * 1e6, dtype=np.int64)
    return Hold(due_us, end_us, np.ones(len(due_us), dtype=bool) if ok is None else np.array(ok))


def counted(rows, quantiles=(0.99,)):
    return cells_of(rows, rows.end_us[rows.ok], quantiles)


OUTCOMES = st.lists(
    st.tuples(st.floats(min_value=0, max_value=600), st.floats(min_value=0, max_value=30), st.booleans()),
    min_size=2,
    max_size=200,
).filter(lambda rows: len({round(row[0] * 1e6) for row in rows}) > 1)


@given(OUTCOMES)
def test_every_request_is_counted_once_and_every_quantile_is_numpys(rows):
    due_s, latency_s, ok = zip(*rows, strict=True)
    held = hold(due_s, latency_s, ok)
    cells = counted(held, (0.5, 0.99))
    assert cells.sent.sum() == len(rows)
    assert cells.good.sum() == sum(ok)
    assert cells.failed.sum() == len(rows) - sum(ok)
    for quantile, tail in cells.tails.items():
        response_us = (held.end_us - held.due_us)[held.ok]
        assert tail.value_ms == np.quantile(response_us, quantile) / 1000
        assert (np.diff(tail.values_ms) >= 0).all()


def test_answers_count_where_they_came_if_that_is_in_the_hold():
    rows = hold([0, 480], [5.5, 1])
    from_the_ramp_us = np.array([-1_000_000, 500_000])
    cells = cells_of(rows, np.concatenate([from_the_ramp_us, rows.end_us]), (0.99,))
    assert cells.duration_s == 480
    assert np.flatnonzero(cells.arrived).tolist() == [0, 5]


def test_a_stalled_schedule_is_seen_by_every_request_that_it_delayed():
    # Due once a second; the server stalls for 4 s, and what waited is answered at once.
    due_s = np.arange(100.0)
    end_s = np.where((due_s >= 50) & (due_s < 54), 54.0, due_s + 0.1)
    rows = Hold((due_s * 1e6).astype(np.int64), (end_s * 1e6).astype(np.int64), np.ones(100, dtype=bool))
    cells = counted(rows, (0.98,))
    assert cells.tails[0.98].value_ms > 1900


@pytest.mark.parametrize("due_s", [[], [3.0], [3.0, 3.0]])
def test_a_hold_without_a_length_has_no_figures(due_s):
    assert counted(hold(due_s, [0.1] * len(due_s))) is None


def test_a_hold_without_a_good_answer_has_no_response_time():
    cells = counted(hold([0, 1, 2], [0.1] * 3, [False] * 3))
    assert cells.tails == {}
    assert cells.failed.sum() == 3


def test_a_million_rows_come_to_as_few_numbers_as_a_thousand():
    due_s = np.linspace(0, 300, 1_000_000)
    cells = counted(hold(due_s, np.full(due_s.size, 0.1)))
    assert cells.sent.size == cells.arrived.size == cells.tails[0.99].excess.size == CELLS
