"""What `shapebench latest --json` prints: what a stack was last measured at, and what was not used; and their texts."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Something that a job writes and another one reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(Value):
    """A value with its 95 % interval; without a value, bounds. `high` is None without an upper one."""

    value: float | None
    low: float
    high: float | None


class Latest(Value):
    variant: str
    rehearsal: bool = False
    """Measured on one machine, so that it says nothing about a node shape."""
    measured_at: datetime
    commit: str | None = None
    objective: str
    capacity_rps: Figure
    usd_per_million: Figure
    usd_hourly: float
    prices_as_of: str
    deployments: int
    runs: int
    predictions_per_request: float = 1.0
    usd_per_million_requests: Figure | None = None
    """None where a request is one prediction."""

    @property
    def of_requests(self) -> str:
        """What a request asks for and what a million of them cost, in brackets; empty where it is one prediction."""
        if self.usd_per_million_requests is None:
            return ""
        cost = figure_text(self.usd_per_million_requests)
        return f" ({self.predictions_per_request:.4g} predictions a request; a million requests: {cost} USD)"


class ExcludedRun(Value):
    """A run that no figure is of."""

    run_id: str
    reasons: tuple[str, ...]


class Problem(Value):
    """A file of a results store that was skipped."""

    path: str
    why: str


class Skipped(BaseModel):
    """What was skipped in a results store: files that are wrong, and folders of rows without a manifest."""

    problems: tuple[Problem, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def lines(self) -> Iterator[str]:
        yield from (f"skipped: {problem.path} {problem.why}" for problem in self.problems)
        yield from (f"unfinished: {folder} has rows and no manifest" for folder in self.unfinished)


class Answer(Skipped):
    """The whole output of `shapebench latest --json`, by stack."""

    latest: dict[str, Latest]
    history: dict[str, tuple[Latest, ...]] = {}
    excluded: tuple[ExcludedRun, ...] = ()


def excluded_lines(excluded: Iterable[ExcludedRun]) -> Iterator[str]:
    yield from (f"not used: {each.run_id}: {'; '.join(each.reasons)}" for each in excluded)


def figure_text(figure: Figure) -> str:
    """An amount of money."""
    return _text(figure, lambda usd: f"{usd:,.2f}" if abs(usd) >= 0.1 else f"{usd:.4f}")


def rps_text(figure: Figure) -> str:
    return _text(figure, lambda rps: f"{rps:,.0f}" if rps >= 100 else f"{rps:.1f}")


def _text(figure: Figure, show: Callable[[float], str]) -> str:
    high = "no upper bound" if figure.high is None else show(figure.high)
    interval = f"{show(figure.low)} to {high}"
    return interval if figure.value is None else f"{show(figure.value)} ({interval})"
