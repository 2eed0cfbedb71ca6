"""What the reasons against a generator advise."""

import numpy as np
import pyarrow as pa

from bench.stores.synthetic import request_rows
from loadtest.generator.plan import LoadPlan, load_plan
from loadtest.result.raw_rows import times_us
from loadtest.result.validity.measurement import measurement_reasons
from stacks.load.load_profiles import PROFILES
from tests.unit.loadtest.plans import capacity_search

# Busy, late, and with a lag.
HEALTH = {"busy_ratio": 0.8, "event_loop_lag_p99_ms": 400.0}


def advice(load: LoadPlan) -> list[str]:
    """The advice on requests that were sent at half of the planned rate, more and more late."""
    rows = request_rows(np.arange(0, 40_000_000, 50_000), np.full(800, 60_000), "hold", np.full(800, fill_value=True))
    due_us, field = times_us(rows, "intended_start"), rows.schema.field("start")
    start = pa.array(2 * due_us - due_us[0]).cast(field.type)
    rows = rows.set_column(rows.schema.get_field_index("start"), field, start)
    return [reason.rpartition(";")[2] for reason in measurement_reasons(rows, rows, load, HEALTH)]


def test_an_open_loop_is_advised_to_use_more_processes() -> None:
    found = [
        advised for advised in advice(load_plan(PROFILES["open"].plan_values)) if "rows are missing" not in advised
    ]
    assert len([advised for advised in found if "raise shapebench:load.processes" in advised]) == 4


def test_a_search_is_not_advised_to_use_more_processes_which_its_settings_refuse() -> None:
    found = advice(capacity_search())
    assert len(found) == 4
    assert not any("load.processes" in advised for advised in found)
    assert all("measure fewer nodes, or give the generator faster cores" in advised for advised in found)
