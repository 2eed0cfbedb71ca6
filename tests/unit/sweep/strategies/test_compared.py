"""What a sweep compares where nodes get their CPU models by chance."""

import math
from collections.abc import Mapping

import pytest

from sweep.strategies.compared import effects_of, lottery_of
from sweep.strategies.grid import Grid
from sweep.strategies.race import Race
from sweep.strategy import Observation, Standing
from sweep.tasks import DrawnCpus, Length

FAST, SLOW = "AMD EPYC 7B12", "Xeon"
SLOWER = math.log(1.4)


class Sweeping:
    """Runs of candidates in blocks; the nodes of each stack are others in each block."""

    def __init__(self) -> None:
        self.observed: dict[str, list[Observation]] = {}
        self._order = 0

    def run(
        self, key: str, log_cost: float, nodes: Mapping[str, int] | None = None, pool: str = "E2", models: int = 2
    ) -> None:
        """On nodes of these models; the cost is that on nodes of the fast one alone."""
        self._order += 1
        runs = self.observed.setdefault(key, [])
        block, machines = len(runs) + 1, f"{key[0]}, block {len(runs) + 1}"
        cpus = [cpu for cpu, count in (nodes or {}).items() for _ in range(count)]
        named = tuple((f"{machines}, {number}", cpu) for number, cpu in enumerate(cpus))
        drawn = DrawnCpus(pool, models, named) if named else None
        cost = log_cost + (SLOWER if nodes and SLOW in nodes else 0.0)
        runs.append(Observation(self._order, block, Length.full, cost, 0.02, machines=machines, drawn=drawn))

    @property
    def pairs(self) -> list[tuple[str, Observation]]:
        return [(key, run) for key, runs in self.observed.items() for run in runs]


def by_chance(luck_of_a: str, luck_of_b: str, blocks: int = 1) -> Sweeping:
    """Two stacks that are as good, each with two candidates of which the second is 30 % dearer."""
    sweep = Sweeping()
    for _ in range(blocks):
        for stack, cpu in (("a", luck_of_a), ("b", luck_of_b)):
            sweep.run(f"{stack}1", 0.0, {cpu: 2})
            sweep.run(f"{stack}2", 0.26, {cpu: 2})
    return sweep


def test_no_stack_is_eliminated_because_of_the_cpu_that_it_got() -> None:
    decision = Race(0.05, blocks=20).decide(by_chance(FAST, SLOW, blocks=6).observed)
    assert decision.standings["b1"] is Standing.racing
    # By what both have in common the candidates of one stack are told apart.
    assert decision.standings["a2"] is decision.standings["b2"] is Standing.eliminated


def test_without_the_cpus_the_luckier_stack_would_be_chosen() -> None:
    lucky = by_chance(FAST, SLOW, blocks=6)
    for runs in lucky.observed.values():
        runs[:] = [Observation(run.order, run.block, run.length, run.log_cost, run.log_error) for run in runs]
    assert Race(0.05, blocks=20).decide(lucky.observed).standings["b1"] is Standing.eliminated


def test_once_both_stacks_had_both_cpus_the_better_one_is_chosen() -> None:
    sweep = Sweeping()
    for block in range(8):
        for stack, log_cost, cpu in (("a", 0.0, FAST if block % 2 else SLOW), ("b", 0.2, SLOW if block % 3 else FAST)):
            sweep.run(f"{stack}1", log_cost, {cpu: 2})
    decision = Race(0.05).decide(sweep.observed)
    assert decision.standings == {"a1": Standing.chosen, "b1": Standing.eliminated}
    assert decision.log_costs["b1"] - decision.log_costs["a1"] == pytest.approx(0.2, abs=0.03)


def test_the_cost_that_is_compared_is_the_one_to_expect_over_the_mix() -> None:
    """Against a machine that is always as fast as the slower CPU, and as dear: with half of the nodes fast it loses."""
    sweep = Sweeping()
    for block in range(12):
        sweep.run("a1", 0.0, {FAST if block % 2 else SLOW: 1})
        sweep.run("n1", SLOWER, {"EPYC 9B45": 1}, pool="N4D", models=1)
    effects = effects_of(sweep.pairs)
    assert effects is not None
    expected = math.log((1 + 1.4) / 2)
    assert effects.means["a1"].log_value == pytest.approx(expected, abs=0.02)
    assert effects.means["n1"].log_value == pytest.approx(SLOWER, abs=0.01)


@pytest.mark.parametrize("strategy", [Race(0.05, blocks=2), Grid(0.05, blocks=2)])
def test_the_claim_says_which_cpus_came_and_is_as_wide_as_what_is_not_known_of_them(strategy: Race | Grid) -> None:
    decision = strategy.decide(by_chance(FAST, FAST, blocks=2).observed)
    assert decision.claim.endswith(
        " Costs are those to expect from the CPU models that nodes get by chance: of 8 nodes of E2, 8 had AMD EPYC"
        " 7B12; 1 more CPU model of theirs did not come."
    )
    assert "95 %" not in decision.claim


def test_nodes_that_several_candidates_ran_on_are_counted_once() -> None:
    lottery = lottery_of(by_chance(FAST, SLOW).pairs)
    assert lottery is not None
    assert {on.cpu: on.nodes for on in lottery.expected["a1"].cpus} == {FAST: 2, SLOW: 2}


def test_stacks_with_one_cpu_model_are_compared_as_they_are() -> None:
    sweep = Sweeping()
    sweep.run("a1", 0.0, {"EPYC 9B45": 2}, pool="N4D", models=1)
    sweep.run("b1", 0.1, {"EPYC 9B45": 2}, pool="N4D", models=1)
    assert lottery_of(sweep.pairs) is None
    assert "CPU" not in Race(0.05, blocks=1).decide(sweep.observed).claim
