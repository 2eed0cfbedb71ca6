"""The sentences in which strategies give the reasons for their decisions."""

from collections.abc import Mapping

from analysis.formatting import counted


def dearer(more: float, runs: int) -> str:
    """Why a candidate is eliminated; `more` is a share of what the leader costs."""
    return f"{_percent(more)} dearer than the leader after {counted(runs, 'run')}"


def foreseen_dearer(more: float) -> str:
    """Why a candidate is eliminated without a run; `more` is a share of what the leader costs."""
    return f"not measured: its CPU, its price and the runs of others put it {_percent(more)} above the leader"


def no_rate(runs: int) -> str:
    return f"no rate met the objective in {counted(runs, 'run')}"


def between_deployments(sd: float) -> str:
    """What a claim rests on before enough candidates were run again."""
    return (
        f"costs differ between deployments of a candidate by {_percent(sd)} (standard deviation). That is assumed,"
        " because too few candidates were run again; more blocks measure it."
    )


def between_machines(sd: float) -> str:
    """What a claim about several stacks rests on, as long as they had fewer than three sets of nodes."""
    return (
        f"nodes of one machine type differ by {_percent(sd)} (standard deviation). That is assumed, because"
        " stacks were measured on fewer than three sets of nodes; two more sweeps, each on new nodes, measure it"
        " (`shapebench verdict` then compares all), or one with `shapebench:gke.freshNodes`."
    )


def at_most_more(more: float, assumption: str | None = None, unknown: int = 0) -> str:
    """The claim of the chosen candidate; `more` is a share of what the cheapest costs, 0 where it is that.

    `unknown` candidates met the objective at no rate that was tried, but a lower rate might make them as cheap.
    `assumption` is what is assumed where that outweighs what was measured: then there is no certainty, but what follows
    if it is so.
    """
    costs = "may cost up to" if assumption else "costs at most"
    claim = f"It {f'{costs} {_percent(more)} more than' if more else 'is'} the cheapest candidate"
    if unknown:
        claim += " of those with a known cost"
    claim += f" if {assumption}" if assumption else ", with 95 % certainty."
    if unknown:
        claim += (
            f" The cost of {counted(unknown, 'candidate')} is not known, because no rate that was tried met the"
            " objective."
        )
    return claim


def over_cpus(pool: str, nodes: Mapping[str, int], not_seen: int) -> str:
    """What follows a claim where nodes get their CPU models by chance; `nodes` of each model were seen."""
    seen = " and ".join(
        f"{count} had {cpu}" for cpu, count in sorted(nodes.items(), key=lambda cpu_and_count: -cpu_and_count[1])
    )
    unseen = f"; {counted(not_seen, 'more CPU model')} of theirs did not come" if not_seen else ""
    return (
        " Costs are those to expect from the CPU models that nodes get by chance: of"
        f" {counted(sum(nodes.values()), 'node')} of {pool}, {seen}{unseen}."
    )


def not_measured(candidates: int) -> str:
    """What follows a claim, of candidates that were eliminated without a run."""
    were, them = ("was", "it") if candidates == 1 else ("were", "them")
    return (
        f" {counted(candidates, 'candidate')} {were} not measured: public results of CPUs, prices and the runs of"
        f" others put {them} too far behind."
    )


def no_rival() -> str:
    """The claim of a candidate that is alone: it was the only one, or all others failed."""
    return "No other candidate was compared with it."


def none_chosen() -> str:
    return "No candidate met the objective at any rate that was tried."


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
