"""Amounts as they are written on a command line: `300ms`, `1.5s`, `30%`."""

import re

from shapebench.output import CommandError

_TIME = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|s)")
_SHARE = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*%")


def parse_ms(option: str, text: str) -> float:
    """A time above zero, in milliseconds; raises CommandError that names the option."""
    match = _TIME.fullmatch(text.strip())
    if match is None or float(match["amount"]) == 0:
        raise CommandError(f"{option} {text} is no time above zero with its unit; give one such as 300ms or 1.5s")
    return float(match["amount"]) * (1000 if match["unit"] == "s" else 1)


def parse_share(option: str, text: str) -> float:
    """A percentage, as a share; raises CommandError that names the option."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"{option} {text} is no percentage; give one such as 30%")
    return float(match["amount"]) / 100
