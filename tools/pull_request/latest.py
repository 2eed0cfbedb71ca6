"""What a stack was last measured at, as `shapebench latest --json` prints it, and the text of its figures."""

from collections.abc import Callable
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
    measured_at: datetime
    objective: str
    capacity_rps: Figure
    usd_per_million: Figure
    usd_hourly: float
    prices_as_of: str
    deployments: int
    runs: int


def figure_text(figure: Figure) -> str:
    """An amount of money."""
    return _text(figure, lambda usd: f"{usd:,.2f}" if abs(usd) >= 0.1 else f"{usd:.4f}")


def rps_text(figure: Figure) -> str:
    return _text(figure, lambda rps: f"{rps:,.0f}" if rps >= 100 else f"{rps:.1f}")


def _text(figure: Figure, show: Callable[[float], str]) -> str:
    high = "no upper bound" if figure.high is None else show(figure.high)
    interval = f"{show(figure.low)} to {high}"
    return interval if figure.value is None else f"{show(figure.value)} ({interval})"
