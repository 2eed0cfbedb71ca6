"""What to run next: sweeps that search for unknown capacities, and more deployments where it is open which is best.

A sweep changes no stack file, so one line is enough, and can be typed again. The number of deployments is an estimate,
from how much deployments and runs have differed so far.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from analysis.formatting import counted, stack_and_serving_name
from analysis.objective import Objective
from analysis.results.schema.manifest import Manifest
from analysis.statistics.best import compare_with_best
from analysis.statistics.deployments import Effects, Mean
from analysis.verdict.capacity import Meets
from analysis.verdict.ranking import Ranked, log_costs
from analysis.verdict.sweep_commands import sweep_commands
from analysis.verdict.variants import variant_key

# More further deployments than this are not worth it.
_MOST_DEPLOYMENTS = 20
_IF_UP = "A sweep creates its stacks and destroys them; destroy first what is up."


@dataclass(frozen=True)
class NextStep:
    """Something to do next: a sentence that says why, and the commands."""

    why: str
    commands: tuple[str, ...]


def next_steps(
    ranking: Sequence[Ranked],
    silent: Sequence[Manifest],
    objective: Objective,
    effects: Effects | None,
    store_uri: str,
) -> tuple[NextStep, ...]:
    """Steps for variants without evidence (those of the `silent` runs alone), without a value, and with open ranks."""
    if objective.latency_ms is None:
        return ()
    ranked = {variant_key(each.variant.newest): each.variant.newest for each in ranking}
    on_a_cluster = any(run.platform != "local" for run in (*silent, *ranked.values()))
    # A replay has its own number of servers, and what is known of its variant is from other runs.
    compared = [run for run in silent if not run.autoscaler and (run.platform != "local" or not on_a_cluster)]
    unknown = {variant_key(run): run for run in compared if variant_key(run) not in ranked}
    bounded = [each for each in ranking if each.capacity.mean is None and each.meets is not Meets.no]
    contradicted = [each for each in ranking if each.capacity.contradicted_by]
    names = [stack_and_serving_name(run) for run in unknown.values()]
    sweep = partial(_sweep, objective=objective, store_uri=store_uri)
    return (
        *sweep(
            f"No run of {_joined(names, 'or')} says what its capacity is; search for it",
            list(unknown.values()),
        ),
        *sweep(
            f"Only bounds of the capacity of {_labels(bounded)} are known; search for it",
            [each.variant.newest for each in bounded],
        ),
        *sweep(
            f"Runs of {_labels(contradicted)} contradict each other; measure again on two fresh deployments, while"
            " nothing else uses the servers' CPU",
            [each.variant.newest for each in contradicted],
            blocks=2,
        ),
        *_to_settle(ranking, objective, effects, store_uri),
    )


def _sweep(
    why: str, runs: Sequence[Manifest], objective: Objective, store_uri: str, blocks: int = 1
) -> Iterator[NextStep]:
    """So many capacity searches of each variant, by a run of each, on fresh deployments; nothing without variants."""
    if runs:
        swept = not all(run.serving.is_service for run in runs)
        yield NextStep(f"{why}. {_IF_UP}" if swept else f"{why}.", sweep_commands(runs, objective, blocks, store_uri))


def _to_settle(
    ranking: Sequence[Ranked], objective: Objective, effects: Effects | None, store_uri: str
) -> Iterator[NextStep]:
    """Further deployments, where choosing the first one may cost more than is equally good in practice."""
    open_ones = [each for each in ranking if each.standing and each.standing.may_be_best and each.capacity.agreed_mean]
    first = next(iter(open_ones), None)
    if effects is None or first is None or (first.standing and first.standing.is_good_enough(objective.within)):
        return
    again = [each.variant.newest for each in open_ones]
    by_machines = effects.compared is not effects
    if by_machines and effects.compared.is_prior:
        # A sweep creates nodes once, and the deployments of its blocks on them.
        yield from _sweep(
            f"Nodes of one type may differ by more than {first.label} is ahead; two more sweeps, each on new nodes,"
            " would measure that",
            again,
            objective,
            store_uri,
        )
        return
    costs, labels = log_costs(ranking, objective), [each.label for each in open_ones]
    if by_machines:
        costs = {label: replace(mean.of_machines or mean, mix=mean.mix) for label, mean in costs.items()}
    more = deployments_to_settle(costs, first.label, labels, effects.compared, objective.within)
    if more is None:
        return
    units = counted(more, "more sweep" if by_machines else "more deployment")
    yield from _sweep(
        f"About {units} of each variant that may be the best{', each on new nodes,' if by_machines else ''} would tell"
        f" whether {first.label} is within {objective.within * 100:g} % of the best",
        again,
        objective,
        store_uri,
        blocks=1 if by_machines else more,
    )


def _labels(variants: Sequence[Ranked]) -> str:
    return _joined([variant.label for variant in variants], "and")


def _joined(names: Sequence[str], word: str) -> str:
    *others, last = [*names] or [""]
    return f"{', '.join(others)} {word} {last}" if others else last


def deployments_to_settle(
    costs: dict[str, Mean], first: str, again: Sequence[str], effects: Effects, within: float
) -> int | None:
    """How many more deployments of each of `again` would make `first` good enough; None if not even 20."""
    per_deployment = effects.deployment_sd**2 + effects.run_sd**2

    def is_enough(more: int) -> bool:
        total = {name: mean.deployments + (more if name in again else 0) for name, mean in costs.items()}
        degrees = float(sum(total.values()) - len(total))
        then = {
            name: replace(
                mean,
                variance=min(mean.variance, per_deployment / total[name]),
                degrees_of_freedom=max(mean.degrees_of_freedom, degrees),
                all_degrees=max(mean.all_degrees, degrees),
                mix=mean.mix and mean.mix.times(math.sqrt(mean.deployments / total[name])),
            )
            for name, mean in costs.items()
        }
        return compare_with_best(then)[first].is_good_enough(within)

    numbers = range(1, _MOST_DEPLOYMENTS + 1)
    found = bisect_left(numbers, 1, key=is_enough)
    return numbers[found] if found < len(numbers) else None
