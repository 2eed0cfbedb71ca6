"""The objective that a stack states: a latency limit at a percentile, and a share of requests that may fail."""

import math
import re
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from stacks.frozen import Frozen

# The keys of a latency limit, and the quantile that each is of.
QUANTILES = {"p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
NUMBER = r"(?P<number>\d+(?:\.\d+)?|\.\d+)"
_LATENCY = re.compile(NUMBER + r"\s*(?P<unit>ms|s)")
_SHARE = re.compile(NUMBER + r"\s*(?P<percent>%)?")
_MOST_MS, _MOST_ERRORS, _ALL_PERCENT = 600_000, 0.5, 100


def latency_ms_of(text: str) -> float:
    """A latency with its unit, such as 400ms or 0.4s, in milliseconds; raises ValueError."""
    match = _LATENCY.fullmatch(text.strip())
    if match is None or not float(match["number"]):
        raise ValueError(f"'{text}' is not a latency above 0 with a unit; give one such as 400ms or 0.4s")
    return float(match["number"]) * (1000 if match["unit"] == "s" else 1)


def share_of(text: str) -> float:
    """A share of at most 1 from its percentage, such as 0.1%; raises ValueError.

    A number alone is none but 0: 0.1 is 10 % to a program, and 0.1 % to many who type it.
    """
    match = _SHARE.fullmatch(text.strip())
    value = float(match["number"]) if match else math.inf
    if match and value and not match["percent"]:
        both = f"{_percent(value)} or {_percent(100 * value)}"
        what = f"it may mean {both}; give one of these" if value <= 1 else f"it is no share; give {_percent(value)}"
        raise ValueError(f"'{text}' has no %, so {what}")
    if value > _ALL_PERCENT:
        raise ValueError(f"'{text}' is not a share from 0% to 100%; give one such as 0.1%")
    return value / _ALL_PERCENT


def text_of_number(value: object) -> object:
    """A number as it was typed, since YAML and Pulumi give what looks like one as a number; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _percent(value: float) -> str:
    return f"{text_of_number(value)}%"


def _latency(text: str) -> str:
    if latency_ms_of(text) > _MOST_MS:
        raise ValueError(f"'{text}' is more than ten minutes, which no search waits for; give less")
    return text


def _errors(text: str) -> str:
    if not 0 < share_of(text) <= _MOST_ERRORS:
        raise ValueError(
            f"'{text}' is outside the range of an error limit; give more than 0 and at most 50%, such as 0.1%"
        )
    return text


_Limit = Annotated[
    str | None,
    Field(description="A latency limit with its unit. Give one such as 400ms or 0.4s."),
    AfterValidator(_latency),
]


class ObjectiveSettings(Frozen):
    """`shapebench:objective`: what a capacity search finds the highest rate for. It has one latency limit."""

    p90: _Limit = None
    p95: _Limit = None
    p99: _Limit = None
    p999: _Limit = None
    errors: Annotated[
        str,
        BeforeValidator(text_of_number),
        Field(description="The share of requests that may fail. Give one such as 0.1%."),
        AfterValidator(_errors),
    ]

    @model_validator(mode="after")
    def _has_one_latency_limit(self) -> Self:
        if len(self._limits) != 1:
            stated = " and ".join(self._limits) or "none"
            raise ValueError(
                f"an objective has one latency limit, but this one has {stated}, so it is not known what to search for;"
                f" give one of {', '.join(QUANTILES)}"
            )
        return self

    @property
    def search(self) -> dict[str, float]:
        """The values of a capacity search for it, by their keys in a load profile."""
        [(name, text)] = self._limits.items()
        return {
            "quantile": QUANTILES[name],
            "latencyMs": latency_ms_of(text),
            "errorRatio": share_of(self.errors),
        }

    @property
    def _limits(self) -> dict[str, str]:
        return {name: text for name in QUANTILES if (text := getattr(self, name)) is not None}


SEARCH_KEYS = ("quantile", "latencyMs", "errorRatio")
"""The keys of `ObjectiveSettings.search`."""
