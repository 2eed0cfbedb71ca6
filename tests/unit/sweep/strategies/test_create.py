import pytest

from sweep.prior import StackPrior
from sweep.strategies.create import strategy_of
from sweep.strategies.grid import Grid
from sweep.strategies.race import Race
from sweep.strategy import Observation, Standing
from sweep.tasks import Length
from tests.support.sweeps import candidate, settings


@pytest.mark.parametrize(("name", "kind"), [("grid", Grid), ("race", Race)])
def test_the_settings_choose_the_strategy_and_its_blocks(name, kind):
    strategy = strategy_of(settings(candidate("a"), strategy=name, blocks=3))

    assert isinstance(strategy, kind)
    assert strategy.most_blocks(2) == 3


@pytest.mark.parametrize("name", ["grid", "race"])
def test_a_wider_zone_of_equivalence_needs_fewer_blocks(name):
    narrow, wide = (strategy_of(settings(candidate("a"), strategy=name, within=within)) for within in (0.05, 0.1))

    assert wide.most_blocks(4) < narrow.most_blocks(4)


def test_a_race_is_told_what_is_known_of_stacks_unless_all_are_to_be_measured():
    prior = StackPrior(log_cost=0.0, parts={"CPU A": 0.4, "stack": 0.05})
    dear = prior.model_copy(update={"log_cost": 1.0})
    known = settings(candidate("a"), candidate("b"), priors={"a": prior, "b": dear})
    first, second = (each.key for each in known.candidates)
    observed = {first: [Observation(0, 1, Length.short, 0.0, 0.05)], second: []}

    assert strategy_of(known).decide(observed).standings[second] is Standing.eliminated
    all_measured = known.model_copy(update={"estimate": False})
    assert strategy_of(all_measured).decide(observed).standings[second] is Standing.racing
