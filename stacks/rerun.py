"""The text of `shapebench:rerun` in a sweep: which block of which sweep an update measures."""

import re

# A sweep's id is the time at which it was created.
_BLOCK = re.compile(r"(?P<sweep>\d{8}-\d{6}) block (?P<block>[1-9]\d*)")


def block_token(sweep_id: str, block: int) -> str:
    """The token of a block: the same for all candidates, so that they have the same arrivals."""
    return f"{sweep_id} block {block}"


def block_of(rerun: str) -> tuple[str, int] | None:
    """The sweep's id and the block in such a token; None of any other text."""
    match = _BLOCK.fullmatch(rerun)
    return (match["sweep"], int(match["block"])) if match else None
