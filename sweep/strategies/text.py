"""What strategies say of their decisions."""


def dearer(more: float, runs: int) -> str:
    """Why a candidate is eliminated; `more` is a share of what the leader costs."""
    return f"{100 * more:.2g} % dearer than the leader after {_counted(runs)}"


def no_rate(runs: int) -> str:
    return f"no rate kept the objective in {_counted(runs)}"


def at_most_more(more: float) -> str:
    """The claim of the chosen candidate; `more` is a share of what the cheapest costs, 0 where it is that."""
    if more == 0:
        return "It is the cheapest candidate, with 95 % certainty."
    return f"It costs at most {100 * more:.2g} % more than the cheapest candidate, with 95 % certainty."


def none_chosen() -> str:
    return "No candidate kept the objective at any rate that was tried."


def _counted(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs} runs"
