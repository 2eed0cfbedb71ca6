"""Whether a closed loop saturated its server, by the interactive response time law."""

import numpy as np

from analysis.results.columns import RunRows
from stacks.load_profiles import ClosedLoop

# The answers that tell how long a request takes without a queue: those of the first users.
_FIRST = 10
# So many times the users that would keep the server busy if none of their requests ever waited.
_SATURATED = 2.0
_STANDARD_ERRORS = 3.0


def saturated_rps(load: ClosedLoop, rows: RunRows) -> float | None:
    """A rate above the capacity: the throughput of a saturated hold, and three standard errors of its count.

    N users who each wait Z s send X = N / (R + Z) requests a second at a mean response time of R s (interactive
    response time law: Denning and Buzen, ACM Computing Surveys 10(3), 1978). X (R0 + Z) users would suffice for it if
    no request waited, R0 being the response time of the first ones; with twice as many, half of them queue, and more
    would add nothing. None where the hold did not reach that, or has too few answers to tell. A server is busy with one
    user at least, so fewer than twice as many never show it: where their requests take twice as long as the first
    ones, it is the machine that became slower.
    """
    if load.users < _SATURATED:
        return None
    every, hold = rows.every, rows.counted
    first_us = every.response_us[every.ok][np.argsort(every.intended_start_us[every.ok], kind="stable")][:_FIRST]
    answered_us = hold.response_us[hold.ok]
    if first_us.size < _FIRST or answered_us.size < _FIRST:
        return None
    alone_s, mean_s = float(np.median(first_us)) / 1e6, float(answered_us.mean()) / 1e6
    if mean_s + load.wait_s < _SATURATED * (alone_s + load.wait_s):
        return None
    span_s = float(np.ptp(hold.intended_start_us)) / 1e6
    count = answered_us.size
    return (count + _STANDARD_ERRORS * count**0.5) / span_s if span_s else None
