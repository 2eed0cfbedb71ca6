"""The strategy that a sweep's settings ask for."""

from sweep.settings import SweepSettings
from sweep.strategies.grid import Grid
from sweep.strategies.race import Race
from sweep.strategy import Strategy


def strategy_of(settings: SweepSettings) -> Strategy:
    if settings.strategy == "grid":
        return Grid(settings.within, settings.blocks)
    return Race(settings.within, settings.blocks)
