"""The highest rate at which something holds, by steps up or down and then bisecting. Pure."""

from collections.abc import Callable

_STEP = 1.25


def highest(start_rps: float, holds: Callable[[float], bool], precision: float, tries: int = 2) -> float | None:
    """The highest rate found to hold, to `precision`; None where none did within a tenth of the start.

    A rate holds when it does in one of `tries`: what else the machine does spoils some.
    """

    def holds_once(rate_rps: float) -> bool:
        return any(holds(rate_rps) for _ in range(tries))

    good_rps = bad_rps = start_rps
    if holds_once(start_rps):
        while holds_once(bad_rps := good_rps * _STEP):
            good_rps = bad_rps
    else:
        while not holds_once(good_rps := bad_rps / _STEP):
            bad_rps = good_rps
            if good_rps < start_rps / 10:
                return None
    while bad_rps / good_rps > 1 + precision:
        middle_rps = (good_rps * bad_rps) ** 0.5
        good_rps, bad_rps = (middle_rps, bad_rps) if holds_once(middle_rps) else (good_rps, middle_rps)
    return good_rps
