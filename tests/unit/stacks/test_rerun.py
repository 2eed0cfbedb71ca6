"""The token of a block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.rerun import block_of, block_token


@given(st.datetimes(), st.integers(1, 10**6))
def test_a_token_says_its_block(created, block: int) -> None:
    sweep_id = f"{created.year:04}{created:%m%d-%H%M%S}"
    assert block_of(block_token(sweep_id, block)) == (sweep_id, block)


@pytest.mark.parametrize(
    "rerun", ["", "again", "block 2", "after block 2", "20261130-020000 block 0", "20261130-020000 block 1 again"]
)
def test_any_other_text_is_of_no_block(rerun: str) -> None:
    assert block_of(rerun) is None
