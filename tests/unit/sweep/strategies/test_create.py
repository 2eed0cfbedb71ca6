import pytest

from sweep.strategies.create import strategy_of
from sweep.strategies.grid import Grid
from sweep.strategies.race import Race
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
