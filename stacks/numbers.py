"""Reads a number that somebody wrote in a stack file, a sweep file or an option."""

import re

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def number_of(text: str) -> float:
    """The number that a text is; raises ValueError, which says how to write one that has separators, such as 2,000."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a number; {how_to_write(text)}") from None


def how_to_write(text: str) -> str:
    """How to write a number that stands as text where a number belongs."""
    if _NUMBER.fullmatch(text.strip()):
        return "write it without quotes"
    bare = re.sub(r"(?<=\d)[,'\s](?=\d{3})", "", text.strip())
    return f"write it without separators or units, such as {bare if _NUMBER.fullmatch(bare) else '2000'}"
