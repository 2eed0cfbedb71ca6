"""Searches the highest rate that passes a test: in steps up or down, then by bisection. Pure."""

from collections.abc import Callable

_STEP = 1.25


def highest_rate(
    start_rps: float, passes: Callable[[float], bool], precision: float, attempts: int = 2
) -> float | None:
    """The highest rate that passes, to `precision`; None if no rate down to a tenth of the start passes.

    A rate passes if one of `attempts` does, because other load on the machine can spoil some.
    """

    def passes_once(rate_rps: float) -> bool:
        return any(passes(rate_rps) for _ in range(attempts))

    good_rps = bad_rps = start_rps
    if passes_once(start_rps):
        while passes_once(bad_rps := good_rps * _STEP):
            good_rps = bad_rps
    else:
        while not passes_once(good_rps := bad_rps / _STEP):
            bad_rps = good_rps
            if good_rps < start_rps / 10:
                return None
    while bad_rps / good_rps > 1 + precision:
        middle_rps = (good_rps * bad_rps) ** 0.5
        good_rps, bad_rps = (middle_rps, bad_rps) if passes_once(middle_rps) else (good_rps, middle_rps)
    return good_rps
