"""The sentences in which strategies give the reasons for their decisions."""

from analysis.formatting import counted


def dearer(more: float, runs: int) -> str:
    """Why a candidate is eliminated; `more` is a share of what the leader costs."""
    return f"{_percent(more)} dearer than the leader after {counted(runs, 'run')}"


def no_rate(runs: int) -> str:
    return f"no rate met the objective in {counted(runs, 'run')}"


def at_most_more(more: float) -> str:
    """The claim of the chosen candidate; `more` is a share of what the cheapest costs, 0 where it is that."""
    if more == 0:
        return "It is the cheapest candidate, with 95 % certainty."
    return f"It costs at most {_percent(more)} more than the cheapest candidate, with 95 % certainty."


def none_chosen() -> str:
    return "No candidate met the objective at any rate that was tried."


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
