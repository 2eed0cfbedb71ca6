import os

import pytest

from analysis.processes import for_each


def process_of(_: int) -> int:
    return os.getpid()


def twice(number: int) -> int:
    if number == 5:
        raise ValueError("5 is too much")
    return 2 * number


def test_few_things_are_done_here():
    assert set(for_each(process_of, range(7))) == {os.getpid()}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has nothing to share")
def test_many_things_are_done_elsewhere_and_come_back_in_order():
    assert os.getpid() not in for_each(process_of, range(8))
    assert for_each(twice, range(10, 40)) == [2 * number for number in range(10, 40)]


def test_an_error_elsewhere_is_an_error_here():
    with pytest.raises(ValueError, match="5 is too much"):
        for_each(twice, range(20))


def test_nothing_is_done_with_nothing():
    assert for_each(twice, []) == []
