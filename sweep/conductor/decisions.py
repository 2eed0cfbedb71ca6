"""From finished runs to decisions: the costs that a strategy sees, for each objective."""

import math
from collections.abc import Mapping, Sequence

from stacks.load_profiles import CapacitySearch
from sweep.candidates import Candidate
from sweep.conductor.state import SweepState
from sweep.strategy import Decision, Observation, Standing, Strategy
from sweep.tasks import Length, Measured

_QUANTILE_95 = 1.959964


def usd_per_million(usd_hourly: float, rps: float) -> float:
    """USD per million predictions, as docs/estimand.md defines it."""
    return usd_hourly * 1e6 / 3600 / rps


def observation(block: int, length: Length, measured: Measured, usd_hourly: float) -> Observation | None:
    """The cost of a run; None if the run gives no upper bound of the capacity, and so none of the cost.

    Where one bound of the interval is missing, the other gives the error.
    """
    value, low, high = measured.value_rps, measured.low_rps, measured.high_rps
    if value is None and math.isfinite(high):
        if not low:
            return Observation(block, length, math.log(usd_per_million(usd_hourly, high)), 0.0, is_bound=True)
        value = math.sqrt(low * high)
    if value is None or (not low and not math.isfinite(high)):
        return None
    high_rps = high if math.isfinite(high) else value**2 / low
    low_rps = low or value**2 / high_rps
    error = math.log(high_rps / low_rps) / 2 / _QUANTILE_95
    return Observation(block, length, math.log(usd_per_million(usd_hourly, value)), error)


class Decisions:
    """The decisions so far, computed again only for objectives with other runs."""

    def __init__(self, strategy: Strategy, candidates: Sequence[Candidate], usd_hourly: Mapping[str, float]) -> None:
        self._strategy, self._usd_hourly = strategy, usd_hourly
        self.keys: dict[CapacitySearch, list[str]] = {}
        for candidate in candidates:
            self.keys.setdefault(candidate.load, []).append(candidate.key)
        self._made: dict[CapacitySearch, tuple[int, Decision]] = {}

    def observed(self, state: SweepState, key: str) -> list[Observation]:
        """The runs of a candidate, in the order of their blocks."""
        usd_hourly = self._usd_hourly[state.candidates[key].stack]
        runs = (
            observation(block, state.lengths[key, block], measured, usd_hourly)
            for block, measured in sorted(state.measured[key].items())
        )
        return [run for run in runs if run]

    def decision(self, state: SweepState, load: CapacitySearch) -> Decision:
        """The decision among the candidates with this load that have not failed."""
        version = state.versions[load]
        if load not in self._made or self._made[load][0] != version:
            observed = {key: self.observed(state, key) for key in self.keys[load] if key not in state.failed}
            decision = self._strategy.decide(observed) if observed else Decision({}, {}, None, "")
            self._made[load] = version, decision
        return self._made[load][1]

    def needing(self, state: SweepState, stack: str) -> dict[str, int]:
        """The candidates of a stack that need a run, with the block that it is of."""
        needing: dict[str, int] = {}
        for load in self.keys:
            standings, most = self.decision(state, load).standings, self.most_blocks(load)
            for key in state.of_stack[stack].get(load, ()):
                block = len(state.measured[key]) + 1
                if standings.get(key) == Standing.racing and block <= most:
                    needing[key] = block
        return needing

    def length(self, block: int) -> Length:
        return self._strategy.length(block)

    def most_blocks(self, load: CapacitySearch) -> int:
        return self._strategy.most_blocks(len(self.keys[load]))

    def is_decided(self, state: SweepState, load: CapacitySearch) -> bool:
        """Whether no candidate with this load is racing."""
        return Standing.racing not in self.decision(state, load).standings.values()
