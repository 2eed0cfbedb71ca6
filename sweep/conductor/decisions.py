"""Turns finished runs into costs, and asks the strategy for a decision on each objective."""

import math
from collections.abc import Collection, Mapping
from dataclasses import astuple, replace

from analysis.statistics.deployments import prior_sd
from analysis.statistics.estimate import Price, Z
from sweep.conductor.state import SweepState
from sweep.strategy import Decision, Observation, Standing, Strategy
from sweep.tasks import Length, Measure, Measured


def observation(order: int, block: int, length: Length, measured: Measured, usd_hourly: float) -> Observation | None:
    """The cost of a run; None if the run gives no upper bound of the capacity, and so none of the cost.

    Where one bound of the interval is missing, the other gives the error.
    """
    value, low, high = astuple(measured.rps)
    price = Price(usd_hourly, measured.instances)
    if value is None and math.isfinite(high):
        if not low:
            least = math.log(price.usd_per_million_at(high))
            return Observation(order, block, length, least, 0.0, is_bound=True)
        value = math.sqrt(low * high)
    if value is None or (not low and not math.isfinite(high)):
        return None
    high_rps = high if math.isfinite(high) else value**2 / low
    low_rps = low or value**2 / high_rps
    error = math.log(high_rps / low_rps) / 2 / Z
    cost = math.log(price.usd_per_million_at(value))
    return Observation(order, block, length, cost, error)


class Decisions:
    """The decisions so far, computed again only for objectives with other runs."""

    def __init__(
        self,
        strategy: Strategy,
        usd_hourly: Mapping[str, float],
        *,
        on_one_machine: bool = False,
        fresh_nodes: Collection[str] = (),
    ) -> None:
        """`fresh_nodes` are the stacks whose nodes are others in each block."""
        self._strategy, self._usd_hourly = strategy, usd_hourly
        self._on_one_machine, self._fresh_nodes = on_one_machine, fresh_nodes
        self._observations: dict[tuple[str, int], Observation] = {}
        self._made: dict[int, tuple[int, Decision]] = {}

    def forget(self) -> None:
        """Decide anew, as after runs that are lost."""
        self._observations.clear()
        self._made.clear()

    def observed(self, state: SweepState, key: str) -> list[Observation]:
        """The runs of a candidate, in the order of their blocks."""
        return [self._observed(state, key, block) for block in sorted(state.measured[key])]

    def _observed(self, state: SweepState, key: str, block: int) -> Observation:
        if (key, block) not in self._observations:
            stack = state.candidates[key].stack
            seen = observation(
                state.ends[key, block],
                block,
                state.lengths[key, block],
                state.measured[key][block],
                self._usd_hourly[stack],
            )
            assert seen is not None  # a run without a cost is recorded as a failure
            self._observations[key, block] = replace(
                seen,
                deployment_sd=prior_sd(on_one_machine=self._on_one_machine),
                machines="" if self._on_one_machine else self._machines(stack, block),
                drawn=state.measured[key][block].drawn,
            )
        return self._observations[key, block]

    def _machines(self, stack: str, block: int) -> str:
        """A stack's cluster is created once, and keeps its nodes throughout the sweep unless it asks for others."""
        return f"{stack}, block {block}" if stack in self._fresh_nodes else stack

    def decision(self, state: SweepState, objective: int) -> Decision:
        """The decision among the candidates with this objective that have not failed."""
        version = state.versions[objective]
        if objective not in self._made or self._made[objective][0] != version:
            keys = (key for key in state.of_objective[objective] if key not in state.failed)
            observed = {key: self.observed(state, key) for key in keys}
            self._made[objective] = version, self._decide(state, observed, len(state.of_objective[objective]))
        return self._made[objective][1]

    def _decide(self, state: SweepState, observed: Mapping[str, list[Observation]], candidates: int) -> Decision:
        """The strategy's decision. One made without candidates that failed stands until one of these rivals it.

        Otherwise all that were too close to the chosen one would race again, for a candidate that may fail again or be
        far behind.
        """
        if not observed:
            return Decision({}, {}, None, "")
        decision = self._strategy.decide(observed, candidates)
        racing = {key for key, standing in decision.standings.items() if standing == Standing.racing}
        returned = observed.keys() & state.returned.keys()
        others = {key: runs for key, runs in observed.items() if key not in returned}
        if not racing or not returned or not others:
            return decision
        earlier = self._strategy.decide(others, candidates)
        is_rivalled = any(len(observed[key]) > state.returned[key] for key in racing & returned)
        if is_rivalled or Standing.racing in earlier.standings.values():
            return decision
        if earlier.leader and decision.standings[earlier.leader] != Standing.racing:
            return decision
        return Decision(
            {**earlier.standings, **{key: decision.standings[key] for key in returned}},
            {**earlier.why, **{key: why for key, why in decision.why.items() if key in returned}},
            earlier.leader,
            "" if racing & returned else earlier.claim,
            earlier.may_be_best | (decision.may_be_best & returned),
            decision.log_costs,
        )

    def needing(self, state: SweepState, stack: str) -> dict[str, int]:
        """The candidates of a stack that need a run, with the block that it is of."""
        needing: dict[str, int] = {}
        for key in state.of_stack[stack]:
            objective, block = state.objective[key], state.next_block(key)
            races = self.decision(state, objective).standings.get(key) == Standing.racing
            if races and block <= self.most_blocks(state, objective):
                needing[key] = block
        return needing

    def task(self, state: SweepState, key: str, block: int) -> Measure:
        """The next run of a candidate. A short one that failed may have been too short, so a full one follows it."""
        rivals = [rival for rival in state.of_objective[state.objective[key]] if rival not in state.failed]
        length = Length.full if state.failures[key, block] else self._strategy.length(block, len(rivals))
        return Measure(state.candidates[key], block, length)

    def most_blocks(self, state: SweepState, objective: int) -> int:
        return self._strategy.most_blocks(len(state.of_objective[objective]))

    def is_decided(self, state: SweepState, objective: int) -> bool:
        """Whether no candidate with this objective is racing."""
        return Standing.racing not in self.decision(state, objective).standings.values()

    def all_decided(self, state: SweepState) -> bool:
        return all(self.is_decided(state, objective) for objective in range(len(state.loads)))
