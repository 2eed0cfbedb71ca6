"""The strategy that a sweep's settings ask for."""

from collections import Counter

from sweep.prior import VARIANT_SD, StackPrior
from sweep.settings import SweepSettings
from sweep.strategies.grid import Grid
from sweep.strategies.race import Race
from sweep.strategy import Strategy


def strategy_of(settings: SweepSettings) -> Strategy:
    if settings.strategy == "grid":
        return Grid(settings.within, settings.blocks)
    return Race(settings.within, settings.blocks, _priors(settings) if settings.estimate else None)


def _priors(settings: SweepSettings) -> dict[str, StackPrior]:
    """By candidate: what is known of its stack, and that it may be better or worse than others there."""
    on_stack = Counter(candidate.stack for candidate in settings.candidates)
    return {
        candidate.key: prior.with_part(f"candidate {candidate.key}", VARIANT_SD)
        if on_stack[candidate.stack] > 1
        else prior
        for candidate in settings.candidates
        if (prior := settings.priors.get(candidate.stack))
    }
