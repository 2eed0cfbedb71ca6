"""The bodies of the requests come back from their file, and are sent in turn."""

from collections import Counter
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.packed import pack, unpack
from loadtest.generator.request_bodies import RequestBody, in_turn, read_bodies, write_bodies

bodies = st.lists(st.builds(RequestBody, st.binary(max_size=99), st.integers(1, 9), st.binary(max_size=99)), max_size=5)


@given(bodies)
def test_every_body_comes_back_with_its_answer(written: list[RequestBody]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "requests"
        write_bodies(path, written)
        assert read_bodies(path) == written


@given(st.lists(st.binary(max_size=9)), st.data())
def test_a_file_that_is_cut_off_or_longer_is_refused(parts: list[bytes], data: st.DataObject) -> None:
    content = pack(None, parts)
    assert unpack(content) == (None, parts)
    for other in (content[: data.draw(st.integers(0, len(content) - 1))], content + b"\0"):
        if other == content[:-1] and not parts:
            continue  # the end of the first line, which nothing follows
        with pytest.raises(ValueError, match=r"do not begin with a line of sizes|follow it"):
            unpack(other)


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4))
def test_workers_together_send_each_as_often_as_the_others(count: int, workers: int, rounds: int) -> None:
    """Over as many turns as have each worker at the beginning again."""
    turns = rounds * count
    sent = Counter(at for worker in range(workers) for at in islice(in_turn(range(count), worker, workers), turns))
    assert sent == dict.fromkeys(range(count), rounds * workers)


def test_the_order_is_by_chance_and_the_same_each_time() -> None:
    first, second = (list(islice(in_turn(range(50), 0, 1), 50)) for _ in range(2))
    assert first == second
    assert first != sorted(first)
