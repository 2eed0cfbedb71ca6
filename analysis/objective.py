"""The objective of a verdict: limits, and the goal among variants that meet them. From options or a file."""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from analysis.pricing.cost import HOURS_A_MONTH
from analysis.results.manifest import Record

DEFAULT_ERRORS = "5%"
_NUMBER = r"(?P<number>\d+(?:\.\d+)?|\.\d+)"
_LATENCY = re.compile(_NUMBER + r"\s*(?P<unit>ms|s)")
_SHARE = re.compile(_NUMBER + r"\s*(?P<percent>%)?")
_MONEY = re.compile(_NUMBER + r"(?:\s*USD)?")
_KEYS = ("p99", "errors", "budget")


class ObjectiveError(ValueError):
    """The objective is invalid; the message says what to give."""


class Objective(Record):
    """Limits and a goal. `latency_ms` None means that latency has no limit.

    In the long run a share `quantile` of the requests that are due is to be answered correctly within `latency_ms`, and
    at most a share `errors` is to fail.

    The goal is the lowest cost per million good predictions; with a budget (USD per 730 h), the most good predictions
    per second.
    """

    quantile: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    errors: Annotated[float, Field(ge=0, le=1)]
    budget_usd_730h: Annotated[float, Field(gt=0)] | None = None

    @property
    def quantile_name(self) -> str:
        """The quantile as a percentile, such as `p99` or `p99.9`."""
        return f"p{self.quantile * 100:g}"

    @property
    def goal(self) -> Literal["minimise cost", "maximise throughput"]:
        return "minimise cost" if self.budget_usd_730h is None else "maximise throughput"

    @property
    def decided_by(self) -> str:
        """The name of the figure that decides among those that meet the limits."""
        return "usd_per_million_good" if self.budget_usd_730h is None else "goodput_rps"

    @property
    def budget_usd_hourly(self) -> float | None:
        return None if self.budget_usd_730h is None else self.budget_usd_730h / HOURS_A_MONTH


def objective(
    p99: str | None = None, errors: str | None = None, budget: str | None = None, file: Path | None = None
) -> Objective:
    """The objective of options, else of the file, else of the defaults. Raises ObjectiveError."""
    given = _read(file) if file else {}
    given |= {key: value for key, value in zip(_KEYS, (p99, errors, budget), strict=True) if value is not None}
    try:
        return Objective(
            latency_ms=_latency_ms(given["p99"]) if "p99" in given else None,
            errors=_share(given.get("errors", DEFAULT_ERRORS)),
            budget_usd_730h=_money(given["budget"]) if "budget" in given else None,
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = "p99" if first["loc"][0] == "latency_ms" else first["loc"][0]
        raise ObjectiveError(f"the objective's {name} is invalid: {first['msg'].lower()}") from None


def _read(file: Path) -> dict[str, str]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ObjectiveError(f"the objective {file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ObjectiveError(f"the objective {file} is not YAML; give lines such as `p99: 400ms`") from None
    if not isinstance(found, dict) or not found.keys() <= set(_KEYS):
        unknown = ", ".join(map(str, found.keys() - set(_KEYS))) if isinstance(found, dict) else ""
        has = f"unknown keys ({unknown})" if unknown else "no keys"
        raise ObjectiveError(
            f"the objective {file} has {has}, so no limit can be read from it; give {', '.join(_KEYS)}"
        )
    return {key: str(value) for key, value in found.items()}


def _latency_ms(text: str) -> float:
    match = _LATENCY.fullmatch(text.strip())
    if match is None:
        raise ObjectiveError(f"p99 '{text}' is not a latency with a unit; give one such as 400ms or 0.4s")
    return float(match["number"]) * (1000 if match["unit"] == "s" else 1)


def _share(text: str) -> float:
    match = _SHARE.fullmatch(text.strip())
    share = float(match["number"]) / (100 if match["percent"] else 1) if match else 2.0
    if share > 1:
        raise ObjectiveError(f"errors '{text}' is not a share of the requests; give one such as 0.1% or 0.001")
    return share


def _money(text: str) -> float:
    match = _MONEY.fullmatch(text.strip())
    if match is None:
        raise ObjectiveError(
            f"budget '{text}' is not an amount; give USD for a month of {HOURS_A_MONTH} h, such as 1200"
        )
    return float(match["number"])
