import time

import numpy as np
import pyarrow as pa
import pytest

from bench.servers.machine_speed import MachineSpeed, machine_speed

# A reading every quarter of a second for a minute, of a machine that is half as fast in the second half.
AT_US = np.arange(240) * 250_000.0
HALF_AS_FAST = MachineSpeed(AT_US, np.where(AT_US < 30e6, 1.0, 2.0))


def rows_at(start_s: list[float], latency_s: list[float]) -> pa.Table:
    start = pa.array([int(sent_s * 1e6) for sent_s in start_s]).cast(pa.timestamp("us"))
    return pa.table(
        {"start": start, "latency_us": [int(taken_s * 1e6) for taken_s in latency_s], "ok": [True] * len(start_s)}
    )


def test_a_slow_time_is_as_long_as_what_the_machine_does_in_it():
    rows = HALF_AS_FAST.at_the_same(rows_at([10, 29, 40, 50], [1, 2, 1, 4]), took_ms=1.0)
    # Between two readings it is not known when the machine became slower.
    assert rows["latency_us"].to_pylist() == pytest.approx([1e6, 1.5e6, 0.5e6, 2e6], abs=0.13e6)
    gaps_s = np.diff(rows["start"].cast(pa.int64()).to_numpy()) / 1e6
    assert gaps_s == pytest.approx([19, 6, 5], rel=0.05)
    assert rows["ok"].to_pylist() == [True] * 4


def test_rows_at_another_speed_are_those_of_a_slower_machine():
    rows = HALF_AS_FAST.at_the_same(rows_at([10, 50], [1, 1]), took_ms=3.0)
    assert rows["latency_us"].to_pylist() == pytest.approx([3e6, 1.5e6], rel=0.05)


def test_the_speed_during_a_load_test_is_a_mean_without_outliers():
    interrupted = MachineSpeed(AT_US, np.where(np.arange(240) % 20 == 0, 50.0, HALF_AS_FAST.took_ms))
    assert interrupted.took_during_ms(rows_at([20, 39], [1, 1])) == pytest.approx(1.5, rel=0.05)


def test_a_process_measures_until_the_end_of_the_block(tmp_path):
    began_s = time.time()
    with machine_speed(tmp_path / "new" / "speed.txt") as probe:
        while (tmp_path / "new" / "speed.txt").read_text().count("\n") < 3:
            assert time.time() < began_s + 60
            time.sleep(0.1)
        speed = probe.speed()
    assert (speed.took_ms > 0).all()
    assert ((speed.at_us >= began_s * 1e6) & (speed.at_us <= time.time() * 1e6)).all()
    written = (tmp_path / "new" / "speed.txt").read_text()
    time.sleep(0.6)
    assert (tmp_path / "new" / "speed.txt").read_text() == written
