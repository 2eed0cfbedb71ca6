import os
import subprocess
import sys

import psutil
import pytest

from analysis.parallel import for_each
from tools.pins import ROOT


def process_of(_: int) -> int:
    return os.getpid()


def twice(number: int) -> int:
    if number == 5:
        raise ValueError("5 is too much")
    return 2 * number


def threads_of_numpy(_: int) -> int:
    before = psutil.Process().num_threads()
    import numpy as np  # noqa: PLC0415 - after the worker has begun

    assert (np.ones((600, 600)) @ np.ones((600, 600)))[0, 0] == 600
    return psutil.Process().num_threads() - before


def test_few_things_are_done_here():
    assert set(for_each(process_of, range(7))) == {os.getpid()}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has nothing to share")
def test_many_things_are_done_elsewhere_and_come_back_in_order():
    assert os.getpid() not in for_each(process_of, range(8))
    assert for_each(twice, range(10, 40)) == [2 * number for number in range(10, 40)]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has nothing to share")
def test_a_worker_leaves_the_other_cores_to_the_other_workers():
    assert set(for_each(threads_of_numpy, range(8))) == {0}


def test_an_error_elsewhere_is_an_error_here():
    with pytest.raises(ValueError, match="5 is too much"):
        for_each(twice, range(20))


def test_nothing_is_done_with_nothing():
    assert for_each(twice, []) == []


# Says which processes work for it, and waits.
STARTS_WORKERS = """
import time
from analysis.parallel import for_each
from tests.unit.analysis.test_parallel import process_of

if __name__ == "__main__":
    print(*set(for_each(process_of, range(8))), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has nothing to share")
def test_no_worker_outlives_a_process_that_was_killed(tmp_path):
    script = tmp_path / "starts_workers.py"
    script.write_text(STARTS_WORKERS)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout
        workers = [psutil.Process(int(pid)) for pid in started.stdout.readline().split()]
        started.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert workers
    assert not alive
