"""The objective: within which latency which share of the requests is to be answered. From options, a file, or searches.

docs/estimand.md says what it means, and what capacity and cost at an objective are.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

import yaml
from pydantic import Field

from analysis.formatting import counted
from analysis.pricing.cost import HOURS_A_MONTH
from analysis.results.schema.manifest import Manifest, Record
from stacks.load.objective import NUMBER, QUANTILES, latency_ms_of, share_of

DEFAULT_ERRORS, DEFAULT_WITHIN = 0.001, 0.05
KEYS = (*QUANTILES, "errors", "budget", "within")
_MONEY = re.compile(NUMBER + r"(?:\s*USD)?")


class ObjectiveError(ValueError):
    """The objective is invalid or not known; the message says what to give."""


class SearchLimits(Protocol):
    """A load profile, or a generator's plan, that searches for a capacity."""

    @property
    def quantile(self) -> float: ...
    @property
    def latency_ms(self) -> float: ...
    @property
    def error_ratio(self) -> float: ...


class Objective(Record):
    """In the long run a share `quantile` of the requests that are due is answered correctly within `latency_ms`.

    At most a share `errors` of them fails. `latency_ms` is None where nobody stated an objective. The goal is the
    lowest cost; with a budget (USD per 730 h), the highest capacity. Variants that differ in it by a share of less than
    `within` are equally good in practice.
    """

    quantile: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    errors: Annotated[float, Field(ge=0, le=1)] = DEFAULT_ERRORS
    budget_usd_730h: Annotated[float, Field(gt=0)] | None = None
    within: Annotated[float, Field(ge=0, le=1)] = DEFAULT_WITHIN

    @classmethod
    def of_search(cls, load: "SearchLimits") -> Self:
        """What a capacity search looks for."""
        return cls(quantile=load.quantile, latency_ms=load.latency_ms, errors=load.error_ratio)

    @property
    def quantile_name(self) -> str:
        """The quantile as a percentile, such as `p99` or `p99.9`."""
        return f"p{self.quantile * 100:g}"

    @property
    def options(self) -> str:
        """The options of the command line that state the limits."""
        latency_ms, name = self.latency_ms, self.quantile_name.replace(".", "")
        errors = f"--errors {self.errors * 100:g}%"
        return errors if latency_ms is None else f"--{name} {latency_ms:g}ms {errors}"

    @property
    def text(self) -> str:
        """The limits, to go after `with`."""
        limits = [] if self.latency_ms is None else [f"{self.quantile_name} within {self.latency_ms:g} ms"]
        return " and ".join([*limits, f"at most {self.errors * 100:g} % failed"])

    @property
    def goal(self) -> Literal["minimise cost", "maximise capacity"]:
        return "minimise cost" if self.budget_usd_730h is None else "maximise capacity"

    @property
    def budget_usd_hourly(self) -> float | None:
        return None if self.budget_usd_730h is None else self.budget_usd_730h / HOURS_A_MONTH


class Asked(Record):
    """What options and a file state of the objective; None where they state nothing."""

    quantile: float | None = None
    latency_ms: float | None = None
    errors: float | None = None
    budget_usd_730h: float | None = None
    within: float | None = None


def asked(options: Mapping[str, str | None], file: Path | None = None) -> Asked:
    """What the options (by `KEYS`) and the file state; options override the file. Raises ObjectiveError."""
    given = {key: value for key, value in options.items() if value is not None}
    if file:
        stated = _read(file)
        if QUANTILES.keys() & given:
            stated = {key: value for key, value in stated.items() if key not in QUANTILES}
        given = stated | given
    limits = [key for key in QUANTILES if key in given]
    if len(limits) > 1:
        raise ObjectiveError(f"{' and '.join(limits)} are given, but an objective has one latency limit; give one")
    return Asked(
        quantile=QUANTILES[limits[0]] if limits else None,
        latency_ms=_stated(latency_ms_of, limits[0], given[limits[0]]) if limits else None,
        errors=_stated(share_of, "errors", given["errors"]) if "errors" in given else None,
        budget_usd_730h=_money(given["budget"]) if "budget" in given else None,
        within=_stated(share_of, "within", given["within"]) if "within" in given else None,
    )


def objective_of(requested: Asked | Objective, manifests: Iterable[Manifest]) -> Objective:
    """The objective that was asked for; what was not stated is that of the runs' capacity searches.

    Searches on this machine count only where there are no others, as rehearsals are not ranked beside runs on clusters.
    Without a latency limit from either it has none. Raises ObjectiveError where the searches state several objectives.
    """
    searches = [(manifest.platform, found) for manifest in manifests if (found := _searched(manifest))]
    on_clusters = {found for platform, found in searches if platform != "local"}
    searched = on_clusters or {found for _, found in searches}
    if requested.latency_ms is None and len(searched) > 1:
        raise ObjectiveError(
            f"the runs searched for the capacity at {len(searched)} objectives, so one must be chosen; give one:"
            f" {', or '.join(sorted(objective.options for objective in searched))}"
        )
    errors = {objective.errors for objective in searched}
    base = Objective(errors=errors.pop() if len(errors) == 1 else DEFAULT_ERRORS)
    if requested.latency_ms is None and searched:
        base = searched.pop()
    return Objective.model_validate(base.model_dump() | requested.model_dump(exclude_none=True))


def _searched(manifest: Manifest) -> Objective | None:
    load = manifest.load
    return Objective.of_search(load) if load.mode == "capacity" else None


def _read(file: Path) -> dict[str, str]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ObjectiveError(
            f"the objective file {file} cannot be read ({error.strerror}), so no limit is known; correct its path"
            " or its permissions"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ObjectiveError(
            f"the objective file {file} is not YAML, so no limit can be read from it; write lines such as `p99: 400ms`"
        ) from None
    if not isinstance(found, dict) or not found.keys() <= set(KEYS):
        unknown = sorted(map(str, found.keys() - set(KEYS))) if isinstance(found, dict) else []
        has = f"{counted(len(unknown), 'unknown key')} ({', '.join(unknown)})" if unknown else "no keys"
        raise ObjectiveError(
            f"the objective file {file} has {has}, so no limit is read from it; use only the keys {', '.join(KEYS)}"
        )
    return {key: str(value) for key, value in found.items()}


def _stated(read: Callable[[str], float], name: str, text: str) -> float:
    try:
        return read(text)
    except ValueError as error:
        raise ObjectiveError(f"{name} {error}") from None


def _money(text: str) -> float:
    match = _MONEY.fullmatch(text.strip())
    if match is None or not float(match["number"]):
        raise ObjectiveError(
            f"budget '{text}' is not an amount above 0; give USD for a month of {HOURS_A_MONTH} h without separators,"
            " such as 1200"
        )
    return float(match["number"])
