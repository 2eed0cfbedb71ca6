"""The check of the results store: when it runs, what it says, and that it ends."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider.record.store_check import LIMIT_S, require_writable
from provider.resource import Operation, Props, ResourceError
from provider.resources.store_check import StoreCheck

NOTHING = Operation(print, print)


@pytest.fixture
def inputs(tmp_path: Path) -> Props:
    return {"results": str(tmp_path / "results"), "measured": {"rerun": "before"}}


@pytest.fixture
def silent() -> Iterator[str]:
    """A bucket at a server that accepts connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"gs://anonymous@bucket/p?scheme=http&endpoint_override=127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """A bucket at a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"gs://anonymous@bucket/p?scheme=http&endpoint_override=127.0.0.1:{server.getsockname()[1]}"


def test_a_store_that_can_be_written_is_left_as_it_was(inputs: Props) -> None:
    assert StoreCheck().create(inputs, NOTHING) == inputs
    assert list(Path(inputs["results"]).iterdir()) == []


def test_it_runs_again_for_another_store_and_for_whatever_measures_again(inputs: Props) -> None:
    state = StoreCheck().create(inputs, NOTHING)
    assert StoreCheck().changed(state, inputs) == []
    assert StoreCheck().changed(state, inputs | {"results": "gs://elsewhere"}) == ["results"]
    assert StoreCheck().changed(state, inputs | {"measured": {"rerun": "after"}}) == ["measured"]


def test_a_store_that_cannot_be_written_is_one_line_with_store_reason_and_fix(inputs: Props) -> None:
    Path(inputs["results"]).write_text("a file")
    with pytest.raises(ResourceError) as failure:
        StoreCheck().create(inputs, NOTHING)
    (line,) = str(failure.value).splitlines()
    assert line.startswith(f"the results store '{inputs['results']}' cannot be written: ")
    assert "give a folder that you can read and write" in line
    assert line.endswith("Nothing was measured")


def test_the_limit_leaves_pulumi_6_of_the_10_s_in_which_an_update_has_to_end() -> None:
    assert LIMIT_S <= 4


def test_a_server_that_never_answers_is_given_up_at_the_limit(silent: str) -> None:
    with pytest.raises(ResourceError, match=r"'gs://.*' did not answer within 0\.3 s, so nothing was measured; check"):
        require_writable(silent, 0.3)


def test_a_server_that_is_not_there_is_named_with_what_failed(closed: str) -> None:
    """After its repetitions, which take longer on a machine that is busy, so the limit is none here."""
    with pytest.raises(
        ResourceError, match=r"cannot be read: .*Could not connect to server; give a bucket that exists"
    ):
        require_writable(closed, 600)
