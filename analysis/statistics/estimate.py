"""The level of all intervals, their critical values, and the cost of a million predictions."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from analysis.interval import Interval, Value_co
from analysis.results.schema.manifest import Manifest

LEVEL = 0.95
# The probability beyond each end of an interval, and half of an interval in standard deviations.
TAIL = (1 - LEVEL) / 2
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def student_t(degrees_of_freedom: float, intervals: int = 1) -> float:
    """Half of an interval in standard deviations that are estimated with so many degrees of freedom.

    So many `intervals` hold together at 95 % (Bonferroni).
    """
    # A third of a second, which not every command needs.
    from scipy.special import stdtrit  # noqa: PLC0415 - start-up

    return -float(stdtrit(degrees_of_freedom, TAIL / intervals))


def usd_per_million_at(per_second: float, usd_hourly: float) -> float:
    """The hourly price divided by what is answered in an hour, in millions."""
    return usd_hourly / (per_second * 3600) * 1e6


@dataclass(frozen=True)
class Price:
    """The hourly price of serving, where a request has `instances` on average, each of which is one prediction.

    Rates are requests per second everywhere. Only here do they become predictions, so every cost is made here.
    """

    usd_hourly: float
    instances: float

    def usd_per_million_at(self, rps: float) -> float:
        """Per million predictions, at so many requests per second."""
        return usd_per_million_at(rps * self.instances, self.usd_hourly)

    def usd_per_million(self, rps: Interval[Value_co]) -> Interval[Value_co]:
        """`usd_per_million_at` with its interval."""
        return rps.times(self.instances * 3600 / 1e6).divides(self.usd_hourly)

    def usd_per_million_requests(self, rps: Interval[Value_co]) -> Interval[Value_co]:
        return self.usd_per_million(rps).times(self.instances)

    def of_requests(self, rps: Interval[float | None]) -> dict[str, Any]:
        """What JSON says of requests; empty where a request is one prediction."""
        if self.instances == 1:
            return {}
        cost = self.usd_per_million_requests(rps).to_dict()
        return {"predictions_per_request": self.instances, "usd_per_million_requests": cost}


def price_of(manifest: Manifest) -> Price | None:
    """None for a run with a line item that has no price."""
    hourly = manifest.cost.hourly
    return None if hourly is None else Price(hourly, manifest.serving.model.instances)


def known_price_of(manifest: Manifest) -> Price:
    """The price of a run that is compared by cost: one without a price is excluded before."""
    price = price_of(manifest)
    assert price is not None
    return price
