"""The verdict in sentences: the answer, and how many runs and which assumptions it rests on."""

import math
from collections.abc import Iterable, Iterator, Sequence

from analysis.comparability import UNKNOWN_CPU
from analysis.formatting import counted, money, number, predictions_text, stack_and_serving_name
from analysis.objective import Objective
from analysis.results.run.disturbance import was_disturbed
from analysis.verdict.capacity import Meets
from analysis.verdict.mix import pool_of
from analysis.verdict.ranking import Ranked
from analysis.verdict.verdict import Verdict

# A sentence names at most so many variants and counts the others.
_NAMED = 3

NO_VERDICT = "A rehearsal on one machine, not a verdict about shapes"


def claim(verdict: Verdict) -> str:
    """The answer in one line."""
    if not verdict.ranking:
        return "No run says yet what a million predictions cost"
    if not verdict.best:
        return "No variant meets the objective" if verdict.outcome is Meets.no else "The data cannot tell yet"
    first = verdict.best[0]
    cost = f"A million predictions cost {first.usd_per_million.text(money)} USD on {first.label}"
    others = [each for each in verdict.best if each is not first]
    named = others[0].label if len(others) == 1 else f"{len(others)} others"
    return f"{cost}; {named} may be as good" if others else cost


def paragraph(verdict: Verdict) -> str:
    return " ".join((*_answer(verdict), *_reasons(verdict)))


def goal_text(objective: Objective) -> str:
    goal = "lowest cost per million predictions" if objective.budget_usd_730h is None else "highest capacity"
    return f"the {goal} with {_limits(objective)}"


def _limits(objective: Objective) -> str:
    if objective.budget_usd_730h is None:
        return objective.text
    return f"{objective.text} and at most {money(objective.budget_usd_730h)} USD per 730 h"


def _answer(verdict: Verdict) -> Iterator[str]:
    objective, ranking = verdict.objective, verdict.ranking
    if not ranking:
        if objective.latency_ms is None:
            yield "No latency limit is known, so there is no capacity and no cost; give one, such as --p99 400ms."
        else:
            yield f"No run says what the capacity with {objective.text} is, so no variant is ranked."
    elif verdict.best:
        yield from _best(verdict)
    elif verdict.outcome is Meets.no:
        yield f"No variant meets the objective: {_limits(objective)}."
    else:
        yield f"The data cannot tell which variant has {goal_text(objective)}: no rate certainly meets the objective."
    yield from _per_request(verdict)
    yield from _misses(verdict)


def _per_request(verdict: Verdict) -> Iterator[str]:
    """What all ranked runs have in common: runs with other requests are not compared."""
    for first in verdict.ranking[:1]:
        if first.price.instances != 1:
            cost = first.usd_per_million_requests.text(money)
            yield f"{predictions_text(first.price.instances)}: a million requests cost {cost} USD on {first.label}."


def _best(verdict: Verdict) -> Iterator[str]:
    objective, (first, *tied) = verdict.objective, verdict.best
    compared = [first, *(each for each in verdict.ranking if each.standing and each is not first)]
    is_certain = not tied and not (verdict.effects and verdict.effects.compared.is_prior)
    place = (
        "" if len(compared) == 1 else f", {'certainly ' if is_certain else ''}the lowest of {len(compared)} variants"
    )
    if objective.budget_usd_730h is not None:
        place = place.replace("lowest", "highest")
        yield (
            f"With {objective.text}, {first.label} has a capacity of {first.capacity.rps.text(number)} requests per"
            f" second{place} within {money(objective.budget_usd_730h)} USD per 730 h; a million predictions cost"
            f" {first.usd_per_million.text(money)} USD."
        )
    else:
        yield (
            f"With {objective.text}, a million predictions cost {first.usd_per_million.text(money)} USD on"
            f" {first.label}{place}, at its capacity of {first.capacity.rps.text(number)} requests per second."
        )
    if tied:
        yield f"{list_names(tied)} may be as good."
    if len(compared) == 1:
        return
    if tied:
        yield f"Choosing {first.label} {_at_most(first, objective)}."
    yield f"Choosing the runner-up, {compared[1].label}, {_at_most(compared[1], objective)}."
    if tied and first.standing and first.standing.is_good_enough(objective.within):
        yield f"A difference below {objective.within * 100:g} % does not matter, so choose {first.label}."


def _at_most(each: Ranked, objective: Objective) -> str:
    """What choosing a variant costs at most, as the end of a sentence."""
    more = each.standing.at_most_more if each.standing else math.inf
    if objective.budget_usd_730h is not None:
        gives_up = 100 * (1 - 1 / (1 + more)) if math.isfinite(more) else 100
        return f"gives up at most {gives_up:.1f} % of the highest capacity"
    if not math.isfinite(more):
        return "may cost any amount more than the best, because no run gives a lower limit of another variant's cost"
    return f"costs at most {more * 100:.1f} % more than the best"


def _misses(verdict: Verdict) -> Iterator[str]:
    budget_usd = verdict.objective.budget_usd_hourly
    missing = [each for each in verdict.ranking if each.meets is Meets.no]
    dear = [each for each in missing if budget_usd is not None and each.usd_hourly > budget_usd]
    if dear:
        yield f"The price of {list_names(dear)} is over the budget."
    if slow := [each for each in missing if each not in dear]:
        yield f"Not even the lowest rate allowed (lowestRps) on {list_names(slow)} meets the objective."


def _reasons(verdict: Verdict) -> Iterator[str]:
    if verdict.ranking:
        yield _rests_on(verdict.ranking)
    yield from (f"{note}." for note in verdict.price_notes)
    for each in verdict.ranking:
        if each.capacity.contradicted_by and each.capacity.mean:
            yield (
                f"Runs of {each.label} contradict each other: its searches found a capacity of"
                f" {each.capacity.mean.estimate.text(number)} requests per second, other runs"
                f" {each.capacity.contradicted_by.text(number)}; its interval covers both."
            )
    yield from _by_chance(verdict.ranking)
    effects = verdict.effects
    if effects and effects.compared.is_prior:
        what, why = "The difference between deployments", "variants were deployed fewer than three times"
        if effects.compared is not effects:
            what, why = "How much nodes of one type differ", "variants were measured on fewer than three sets of nodes"
        yield f"{what} ({effects.compared.deployment_sd * 100:.1f} %) is in part an assumption, because {why}."
    if count := len(verdict.excluded):
        disturbed = sum(was_disturbed(reasons) for _, reasons in verdict.excluded)
        why = f", {disturbed} of them because other programs disturbed them" if disturbed else ""
        yield f"{counted(count, 'run')} {'is' if count == 1 else 'are'} not ranked{why}; the reasons are listed."
    yield from _not_in_the_ranking(verdict)
    if UNKNOWN_CPU in verdict.conditions.get("cpu", ""):
        yield (
            "Some or all of the ranked servers ran on an unknown CPU model, so their CPUs may differ; run the variants"
            " again to record it."
        )


def _by_chance(ranking: Sequence[Ranked]) -> Iterator[str]:
    """What each CPU model costs, of the first variants whose nodes may get several."""
    drawn = [each for each in ranking if each.capacity.cpus]
    for each in drawn[:_NAMED]:
        pool = pool_of(each.variant.newest)
        nodes = counted(sum(on.nodes for on in each.capacity.cpus), "node")
        costs = [
            f"{money(each.usd_per_million_on(on).value)} USD on {on.cpu} ({on.share.value * 100:.0f} % of the nodes)"
            for on in each.capacity.cpus
            if on.is_seen
        ]
        yield (
            f"A million predictions on {each.label} cost {', '.join(costs)}; {each.usd_per_million.text(money)} USD is"
            f" expected over the CPU models that nodes of {pool} get by chance, of which {nodes} were seen."
        )
        for unseen in (on for on in each.capacity.cpus if not on.is_seen):
            yield (
                f"{pool} is known to have another CPU model, which no run saw: up to {unseen.share.high * 100:.0f} % of"
                " the nodes may get it, and the interval allows for what it may cost."
            )
    if more := len(drawn[_NAMED:]):
        yield f"So it is of {counted(more, 'more variant')}; the table has them."


def _not_in_the_ranking(verdict: Verdict) -> Iterator[str]:
    for left_out in verdict.left_out[:_NAMED]:
        yield f"{left_out.why}."
    if more := len(verdict.left_out[_NAMED:]):
        yield f"{more} more such {'group of runs is' if more == 1 else 'groups of runs are'} left out, too."
    if verdict.left_out:
        yield "To compare them, run all variants on the same CPU models (docs/verdict.md says how)."
    for manifest, reasons in verdict.not_compared[:_NAMED]:
        yield f"{stack_and_serving_name(manifest)} is not in the ranking: {'; '.join(reasons)}."
    if more := len(verdict.not_compared[_NAMED:]):
        yield f"{more} more {'variant is' if more == 1 else 'variants are'} not in the ranking either."


def _rests_on(ranking: Sequence[Ranked]) -> str:
    """The runs of the first variant, which its figure is of, and those of all, which the comparison is of."""
    first = ranking[0].capacity
    own = f"{counted(first.runs, 'run')} of {counted(first.deployments, 'deployment')}"
    if len(ranking) == 1:
        return f"The figure rests on {own}."
    runs, deployments = (sum(getattr(each.capacity, of) for each in ranking) for of in ("runs", "deployments"))
    return (
        f"The figure of {ranking[0].label} rests on {own}, the comparison of {len(ranking)} variants on"
        f" {counted(runs, 'run')} of {counted(deployments, 'deployment')}."
    )


def list_names(ranked: Iterable[Ranked]) -> str:
    """Their labels; of many, the first ones."""
    labels: Sequence[str] = [each.label for each in ranked]
    if len(labels) > _NAMED + 1:
        return f"{', '.join(labels[:_NAMED])} and {len(labels) - _NAMED} more"
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
