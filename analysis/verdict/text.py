"""The verdict as a paragraph: which variant is best, how certain that is, and what would settle what is uncertain."""

import math
from collections.abc import Iterable, Iterator

from analysis.comparability import UNKNOWN_CPU
from analysis.formatting import money, number, percent, stack_and_serving_name
from analysis.objective import Objective
from analysis.verdict.compare import ratio, runs_to_settle
from analysis.verdict.ranking import Limit, Meets, Ranked, deciding_figure, is_worse
from analysis.verdict.verdict import Verdict

# A sentence names at most so many variants and counts the others.
_NAMED = 3
# A smaller difference does not matter.
_SMALL = 0.05

NO_VERDICT = "A rehearsal on one machine, not a verdict about shapes"


def paragraph(verdict: Verdict) -> str:
    sentences = _best(verdict) if verdict.best else _no_best(verdict)
    if not verdict.ranking:
        sentences = iter(["The data cannot tell: there is no valid run to rank."])
    count = len(verdict.excluded)
    excluded = [f"{'1 run is' if count == 1 else f'{count} runs are'} not ranked; the reasons are listed."]
    return " ".join([*sentences, *(excluded if count else []), *_not_compared(verdict)])


def objective_text(objective: Objective) -> str:
    limits = (
        [] if objective.latency_ms is None else [f"a {objective.quantile_name} of at most {objective.latency_ms:g} ms"]
    )
    limits.append(f"at most {objective.errors * 100:g} % errors")
    goal = "the lowest cost per million good predictions"
    if objective.budget_usd_730h is not None:
        goal = "the most good predictions per second"
        limits.append(f"at most {money(objective.budget_usd_730h)} USD per 730 h")
    *first, last = limits
    return f"{goal} with {' and '.join([', '.join(first), last] if first else [last])}"


def _best(verdict: Verdict) -> Iterator[str]:
    best, *tied = verdict.best
    objective = verdict.objective
    if tied:
        yield (
            f"For {objective_text(objective)}, {list_names([best, *tied])} are tied: the data cannot tell them apart. "
            f"{best.label} measured best, with {_measured(best)}."
        )
        yield _to_tell_apart(best, tied[0], objective)
    else:
        yield f"For {objective_text(objective)}, {best.label} is best: {_measured(best)}."
    yield from _others(verdict, best)


def _others(verdict: Verdict, best: Ranked) -> Iterator[str]:
    objective = verdict.objective
    worse = [each for each in verdict.ranking if each.meets is Meets.yes and not each.tied_with_best]
    if worse:
        more = ratio(deciding_figure(worse[0], objective), deciding_figure(best, objective))
        added = more.text(lambda value: f"{(value - 1) * 100:.1f}")
        how = "more expensive" if objective.budget_usd_730h is None else "slower"
        yield f"Next is {worse[0].label}, {added} % {how}."
    unsure = [each for each in verdict.ranking if each.meets is Meets.unsure]
    candidates = [each for each in unsure if not is_worse(each, best, objective)]
    for each in candidates[:_NAMED]:
        yield f"{each.label} may be as good or better, but {_uncertain(each)}"
    if len(unsure) > len(candidates):
        others = list_names([each for each in unsure if each not in candidates])
        yield f"It is uncertain whether {others} meet the objective, but they are certainly worse than the best."
    yield from _misses(verdict)
    if any(each.runs == 1 for each in verdict.best):
        yield (
            "With one run of a variant, it is not known how much its runs differ, so its interval may be too narrow: "
            "repeat it at least twice."
        )


def _not_compared(verdict: Verdict) -> Iterator[str]:
    for manifest, reasons in verdict.not_compared[:_NAMED]:
        yield f"{stack_and_serving_name(manifest)} is not in the ranking: {'; '.join(reasons)}."
    if more := len(verdict.not_compared[_NAMED:]):
        yield f"{more} more {'variant is' if more == 1 else 'variants are'} not in the ranking either."
    if UNKNOWN_CPU in verdict.conditions.get("cpu", ""):
        yield (
            "Some or all of the ranked servers ran on an unknown CPU model, so their CPUs may differ; run the variants"
            " again to record it."
        )


def _no_best(verdict: Verdict) -> Iterator[str]:
    unsure = [each for each in verdict.ranking if each.meets is Meets.unsure]
    if unsure:
        yield (
            f"The data cannot tell which variant is best for {objective_text(verdict.objective)}: "
            "none certainly meets the objective."
        )
        for each in unsure[:_NAMED]:
            yield f"{each.label} may, with {_measured(each)}, but {_uncertain(each)}"
    else:
        yield f"No variant gives {objective_text(verdict.objective)}."
    yield from _misses(verdict)


def _misses(verdict: Verdict) -> Iterator[str]:
    missing = [each for each in verdict.ranking if each.meets is Meets.no]
    for each in missing[:1]:
        limits = " and ".join(_limit(limit) for limit in each.limits if limit.met is Meets.no)
        yield f"{each.label} misses the objective: {limits}."
    if len(missing) > 1:
        yield f"{len(missing) - 1} more {'variant misses' if len(missing) == 2 else 'variants miss'} it, too."


def _measured(each: Ranked) -> str:
    cost, goodput, p99 = each.usd_per_million, each.goodput_rps, each.p99_ms
    runs = "one run" if each.runs == 1 else f"{each.runs} runs"
    return (
        f"{cost.text(money)} USD per million good predictions, {goodput.text(number)} good predictions per second and "
        f"a p99 of {p99.text(number)} ms, from {runs}"
    )


def _to_tell_apart(best: Ranked, other: Ranked, objective: Objective) -> str:
    share = ratio(deciding_figure(other, objective), deciding_figure(best, objective))
    gap = math.log(share.value)
    more = runs_to_settle(share.log_below, min(best.runs, other.runs), gap)
    if more is not None:
        return (
            f"They differ by {gap * 100:.1f} %; about {_more(more)} of each would tell {best.label} and "
            f"{other.label} apart."
        )
    if gap < _SMALL:
        return f"They differ by {gap * 100:.1f} %, too little to settle with a reasonable number of runs: take either."
    return f"They differ by {gap * 100:.1f} %, but runs of each vary too much to tell them apart: find out why."


def _uncertain(each: Ranked) -> str:
    unsure = [limit for limit in each.limits if limit.met is Meets.unsure]
    needed = [_more_runs(limit, each.runs) for limit in unsure]
    settled_by = "it is too close to the limit for any reasonable number of runs."
    if None not in needed:
        settled_by = f"about {_more(max(more for more in needed if more is not None))} of it would settle that."
    return f"{' and '.join(_limit(limit) for limit in unsure)}; {settled_by}"


def _more_runs(limit: Limit, runs: int) -> int | None:
    measured = limit.measured
    if not limit.most:
        return None
    if not measured.value:
        # No errors in n requests allow 4/n, and repeats narrow that by the root of their number.
        return max(1, math.ceil(runs * (measured.high / limit.most) ** 2) - runs)
    gap = abs(math.log(limit.most / measured.value))
    return runs_to_settle(measured.log_above if limit.most >= measured.value else measured.log_below, runs, gap)


def _limit(limit: Limit) -> str:
    measured = limit.measured
    show = (lambda value: percent(value / 100)) if limit.unit == "%" else number
    shown = show(measured.value) if measured.low == measured.high else measured.text(show)
    verb = "are" if limit.name == "errors" else "is"
    return f"{limit.name} {verb} {shown} {limit.unit}, the limit is {limit.most:g}"


def _more(runs: int) -> str:
    return "1 more run" if runs == 1 else f"{runs} more runs"


def list_names(ranked: Iterable[Ranked]) -> str:
    """Their labels; of many, the first ones."""
    labels = [each.label for each in ranked]
    if len(labels) > _NAMED + 1:
        return f"{', '.join(labels[:_NAMED])} and {len(labels) - _NAMED} more"
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
