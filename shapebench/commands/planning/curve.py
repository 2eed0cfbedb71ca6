"""`shapebench curve`: the traffic of a day as the load of a stack, in a shorter time."""

import math

import numpy as np

from analysis.planning.day.traffic import STEP_S, Traffic
from shapebench.output import CommandError, print_code
from stacks.load.load_profiles import MOST_RATES, PROFILES, TrafficCurve


def print_curve(traffic: Traffic, duration_s: float, times: float) -> None:
    """As `shapebench:load` of a stack file; `times` multiplies the rates. Raises CommandError."""
    if not 0 < times < math.inf:
        raise CommandError(f"--times is {times:g}, which leaves no traffic; give a number above 0, such as 0.1")
    # A step of the autoscaler each, so that no part of the curve is lost to it.
    intervals = min(MOST_RATES - 1, max(1, round(duration_s / STEP_S)))
    at, middles = np.linspace(0, 1, intervals + 1), (np.arange(traffic.rates_rps.size) + 0.5) / traffic.rates_rps.size
    # The day goes round: its last step is beside its first.
    rates = np.interp(at, middles, traffic.rates_rps, period=1.0) * times
    shown = [float(f"{rate:.4g}") for rate in rates]
    changes = {"rates_rps": tuple(shown), "duration_s": duration_s}
    curve = TrafficCurve.model_validate(PROFILES["curve"].model_dump() | changes)
    print_code(
        "shapebench:load:\n"
        "  profile: curve\n"
        f"  durationS: {curve.duration_s:g}\n"
        f"  ratesRps: [{', '.join(f'{rate:g}' for rate in curve.rates_rps)}]"
    )
