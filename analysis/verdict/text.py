"""The verdict as one paragraph of plain English: what is best, how sure that is, and what would settle what is open."""

import math
from collections.abc import Iterable, Iterator, Sequence

from analysis.formatting import money, number, percent
from analysis.verdict.compare import ratio, runs_to_settle
from analysis.verdict.judge import Judgement
from analysis.verdict.objective import Objective
from analysis.verdict.ranking import Limit, Meets, Ranked, deciding, half_width, is_worse

# More names than this in one sentence are counted instead.
_NAMED = 3
# A difference that takes more runs than can be asked for matters to nobody below this.
_SMALL = 0.05


def paragraph(judgement: Judgement) -> str:
    """All that is to be said, in a few sentences."""
    if not judgement.ranking:
        return " ".join(_nothing(judgement))
    told = _best(judgement) if judgement.best else _no_best(judgement)
    return " ".join([*told, *_excluded(judgement)])


def asked(objective: Objective) -> str:
    """The objective in words."""
    limits = [] if objective.p99_ms is None else [f"a p99 of at most {objective.p99_ms:g} ms"]
    limits.append(f"at most {objective.errors * 100:g} % errors")
    goal = "the lowest cost per million good predictions"
    if objective.budget_usd_730h is not None:
        goal = "the most good predictions a second"
        limits.append(f"at most {money(objective.budget_usd_730h)} USD for 730 h")
    *first, last = limits
    return f"{goal} with {' and '.join([', '.join(first), last] if first else [last])}"


def _best(judgement: Judgement) -> Iterator[str]:
    best, *tied = judgement.best
    objective = judgement.objective
    if tied:
        yield (
            f"For {asked(objective)}, {names([best, *tied])} are tied: the data cannot tell them apart. "
            f"{best.label} measured best, with {_measured(best)}."
        )
        yield _to_tell_apart(best, tied[0], objective)
    else:
        yield f"For {asked(objective)}, {best.label} is best: {_measured(best)}."
    yield from _others(judgement, best)


def _others(judgement: Judgement, best: Ranked) -> Iterator[str]:
    objective = judgement.objective
    worse = [each for each in judgement.ranking if each.meets is Meets.yes and not each.tied_with_best]
    if worse:
        yield f"Next is {worse[0].label}, {_by_how_much(worse[0], best, objective)}."
    unsure = [each for each in judgement.ranking if each.meets is Meets.unsure]
    rivals = [each for each in unsure if not is_worse(each, best, objective)]
    for each in rivals[:_NAMED]:
        yield f"{each.label} might be as good or better, but {_cannot_tell(each)}"
    if len(unsure) > len(rivals):
        others = names([each for each in unsure if each not in rivals])
        yield f"Whether {others} keep the limits is open and changes nothing: they are surely worse."
    yield from _missing(judgement)
    if any(each.runs == 1 for each in judgement.best):
        yield (
            "Where there is one run, the interval covers what varied within it and not what changes from run to run: "
            "repeat it at least twice."
        )


def _no_best(judgement: Judgement) -> Iterator[str]:
    unsure = [each for each in judgement.ranking if each.meets is Meets.unsure]
    if unsure:
        yield f"The data cannot tell what is best for {asked(judgement.objective)}: nothing surely keeps the limits."
        for each in unsure[:_NAMED]:
            yield f"{each.label} may, with {_measured(each)}, but {_cannot_tell(each)}"
    else:
        yield f"Nothing that was measured gives {asked(judgement.objective)}."
    yield from _missing(judgement)


def _missing(judgement: Judgement) -> Iterator[str]:
    missing = [each for each in judgement.ranking if each.meets is Meets.no]
    for each in missing[:1]:
        limits = " and ".join(_limit(limit) for limit in each.limits if limit.kept is Meets.no)
        yield f"{each.label} misses: {limits}."
    if len(missing) > 1:
        yield f"{len(missing) - 1} more {'misses' if len(missing) == 2 else 'miss'} a limit, too."


def _nothing(judgement: Judgement) -> Iterator[str]:
    yield "The data cannot tell: there is no valid run to rank."
    yield from _excluded(judgement)


def _excluded(judgement: Judgement) -> Iterator[str]:
    count = len(judgement.excluded)
    if count:
        runs = "1 run is" if count == 1 else f"{count} runs are"
        yield f"{runs} left out, with reasons."


def _measured(each: Ranked) -> str:
    cost, goodput, p99 = each.usd_per_million, each.goodput_rps, each.p99_ms
    runs = "one run" if each.runs == 1 else f"{each.runs} runs"
    return (
        f"{cost.text(money)} USD per million good predictions, {goodput.text(number)} of them a second at a p99 "
        f"of {p99.text(number)} ms, from {runs}"
    )


def _by_how_much(each: Ranked, than: Ranked, objective: Objective) -> str:
    more = ratio(deciding(each, objective), deciding(than, objective))
    added = more.text(lambda value: f"{(value - 1) * 100:.1f}")
    return f"{added} % dearer" if objective.budget_usd_730h is None else f"{added} % slower"


def _to_tell_apart(best: Ranked, other: Ranked, objective: Objective) -> str:
    share = ratio(deciding(other, objective), deciding(best, objective))
    gap = math.log(share.value)
    more = runs_to_settle(math.log(share.value / share.low), min(best.runs, other.runs), gap)
    if more is not None:
        return (
            f"They differ by {gap * 100:.1f} %; about {_more(more)} of each would tell {best.label} and "
            f"{other.label} apart."
        )
    if gap < _SMALL:
        return f"They differ by {gap * 100:.1f} %, which no reasonable number of runs would settle: take either."
    return f"They differ by {gap * 100:.1f} %, but vary too much from run to run to be told apart: find out why."


def _cannot_tell(each: Ranked) -> str:
    unsure = [limit for limit in each.limits if limit.kept is Meets.unsure]
    return f"{' and '.join(_limit(limit) for limit in unsure)}; {_settled_by(each, unsure)}"


def _settled_by(each: Ranked, unsure: Sequence[Limit]) -> str:
    needed = [_more_runs(limit, each.runs) for limit in unsure]
    if None in needed:
        return "it is too close to the limit for any reasonable number of runs."
    return f"about {_more(max(more for more in needed if more is not None))} of it would settle that."


def _more_runs(limit: Limit, runs: int) -> int | None:
    measured = limit.measured
    if not limit.most:
        return None
    if not measured.value:
        # No errors in n requests allow 4/n, and repeats narrow that by the root of their number.
        return max(1, math.ceil(runs * (measured.high / limit.most) ** 2) - runs)
    gap = abs(math.log(limit.most / measured.value))
    return runs_to_settle(half_width(measured, limit.most), runs, gap)


def _limit(limit: Limit) -> str:
    measured = limit.measured
    show = (lambda value: percent(value / 100)) if limit.unit == "%" else number
    shown = show(measured.value) if measured.low == measured.high else measured.text(show)
    return f"{limit.name} {'are' if limit.name == 'errors' else 'is'} {shown} {limit.unit} against {limit.most:g}"


def _more(runs: int) -> str:
    return "1 more run" if runs == 1 else f"{runs} more runs"


def names(ranked: Iterable[Ranked]) -> str:
    """Their labels; of many, the first."""
    labels = [each.label for each in ranked]
    if len(labels) > _NAMED + 1:
        return f"{', '.join(labels[:_NAMED])} and {len(labels) - _NAMED} more"
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
