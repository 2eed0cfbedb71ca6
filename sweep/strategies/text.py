"""The sentences in which strategies give the reasons for their decisions."""

from analysis.formatting import counted
from analysis.statistics.deployments import PRIOR_SD


def dearer(more: float, runs: int) -> str:
    """Why a candidate is eliminated; `more` is a share of what the leader costs."""
    return f"{_percent(more)} dearer than the leader after {counted(runs, 'run')}"


def no_rate(runs: int) -> str:
    return f"no rate met the objective in {counted(runs, 'run')}"


def at_most_more(more: float, *, is_assumed: bool, unknown: int = 0) -> str:
    """The claim of the chosen candidate; `more` is a share of what the cheapest costs, 0 where it is that.

    `unknown` candidates met the objective at no rate that was tried, but a lower rate might make them as cheap.
    `is_assumed`: no candidate has two runs that give a cost, so none tells how much its deployments differ.
    """
    is_cheap = f"costs at most {_percent(more)} more than" if more else "is"
    claim = f"It {is_cheap} the cheapest candidate, with 95 % certainty."
    if unknown:
        claim = (
            f"It {is_cheap} the cheapest candidate of those with a known cost, with 95 % certainty. The cost of"
            f" {counted(unknown, 'candidate')} is not known, because no rate that was tried met the objective."
        )
    if not is_assumed:
        return claim
    return (
        f"{claim} This assumes that the cost of a candidate differs between its deployments, with a standard deviation"
        f" of {_percent(PRIOR_SD)}. No candidate has two runs that give a cost, so this deviation was not measured."
    )


def no_rival() -> str:
    """The claim of a candidate that is alone: it was the only one, or all others failed."""
    return "No other candidate was compared with it."


def none_chosen() -> str:
    return "No candidate met the objective at any rate that was tried."


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
