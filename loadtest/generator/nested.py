"""Nested lists, as JSON has tensors. Standard library only."""

import itertools
from typing import Any


def flat(nested: object) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and values; raises ValueError where lists beside each other have different lengths."""
    shape: list[int] = []
    level: list[Any] = [nested]
    while level and isinstance(level[0], list):
        shape.append(len(level[0]))
        if not all(isinstance(each, list) and len(each) == shape[-1] for each in level):
            raise ValueError("has lists of different lengths beside each other")
        level = list(itertools.chain.from_iterable(level))
    return tuple(shape), level
