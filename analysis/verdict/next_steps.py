"""What to run next, as commands: capacity searches of variants without one, more deployments if the best is open.

The number of deployments is an estimate, from how much deployments and runs have differed so far.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from pydantic.alias_generators import to_camel

from analysis.formatting import stack_and_serving_name
from analysis.objective import Objective
from analysis.results.manifest import Manifest
from analysis.statistics.best import compare_with_best
from analysis.statistics.deployments import Effects, Mean
from analysis.verdict.capacity import Meets
from analysis.verdict.ranking import Ranked, log_costs
from analysis.verdict.variants import variant_key
from stacks.load_profiles import PROFILES
from stacks.objective import QUANTILES
from stacks.serving_variant import Batching, ServingVariant

# More further deployments than this are not worth it.
_MOST_DEPLOYMENTS = 20


@dataclass(frozen=True)
class NextStep:
    """Something to do next: a sentence that says why, and the commands."""

    why: str
    commands: tuple[str, ...]


def next_steps(
    ranking: Sequence[Ranked], silent: Sequence[Manifest], objective: Objective, effects: Effects | None
) -> tuple[NextStep, ...]:
    """Steps for variants without evidence (those of the `silent` runs alone), without a value, and with open ranks."""
    if objective.latency_ms is None:
        return ()
    ranked = {variant_key(each.variant.newest): each.variant.newest for each in ranking}
    on_a_cluster = any(run.platform != "local" for run in (*silent, *ranked.values()))
    compared = [run for run in silent if run.platform != "local" or not on_a_cluster]
    unknown = {variant_key(run): run for run in compared if variant_key(run) not in ranked}
    bounded = [each for each in ranking if each.capacity.mean is None and each.meets is not Meets.no]
    every = (*ranked.values(), *unknown.values())
    return (
        *(
            NextStep(
                f"No run of {stack_and_serving_name(run)} says what its capacity is; search for it.",
                _search(run, every, objective),
            )
            for run in unknown.values()
        ),
        *(
            NextStep(
                f"Only bounds of the capacity of {each.label} are known; search for it.",
                _search(each.variant.newest, every, objective),
            )
            for each in bounded
        ),
        *(
            NextStep(
                f"Runs of {each.label} contradict each other; measure it again on two fresh deployments, while nothing"
                " else uses its servers' CPU.",
                (*_search(each.variant.newest, every, objective)[:-1], *_repeat(each.variant.newest, 2)),
            )
            for each in ranking
            if each.capacity.contradicted_by
        ),
        *_to_settle(ranking, every, objective, effects),
    )


def _to_settle(
    ranking: Sequence[Ranked], every: Sequence[Manifest], objective: Objective, effects: Effects | None
) -> Iterator[NextStep]:
    """Further deployments, where choosing the first one may cost more than is equally good in practice."""
    open_ones = [each for each in ranking if each.standing and each.standing.may_be_best and each.capacity.agreed_mean]
    first = next(iter(open_ones), None)
    if effects is None or first is None or (first.standing and first.standing.is_good_enough(objective.within)):
        return
    labels = [each.label for each in open_ones]
    more = deployments_to_settle(log_costs(ranking, objective), first.label, labels, effects, objective.within)
    if more is None:
        return
    deployments = "1 more deployment" if more == 1 else f"{more} more deployments"
    yield NextStep(
        f"About {deployments} of each variant that may be the best would tell whether {first.label} is"
        f" within {objective.within * 100:g} % of the best.",
        tuple(chain.from_iterable(_deploy_again(each.variant.newest, every, more) for each in open_ones)),
    )


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
            )
            for name, mean in costs.items()
        }
        return compare_with_best(then)[first].is_good_enough(within)

    numbers = range(1, _MOST_DEPLOYMENTS + 1)
    found = bisect_left(numbers, 1, key=is_enough)
    return numbers[found] if found < len(numbers) else None


def _search(run: Manifest, every: Iterable[Manifest], objective: Objective) -> tuple[str, ...]:
    """A capacity search for the objective. What the file sets for another load or objective is removed first."""
    # Of an objective that no option states, the next stricter quantile.
    limit = next((name for name, quantile in QUANTILES.items() if quantile >= objective.quantile), "p999")
    is_profile = any(run.load == profile for profile in PROFILES.values())
    to = f"--stack {run.stack}"
    return (
        *([] if is_profile else [f"pulumi config rm shapebench:load {to}"]),
        *_serve(run, every),
        f"pulumi config set --path shapebench:load.profile capacity {to}",
        f"pulumi config rm shapebench:objective {to}",
        f"pulumi config set --path shapebench:objective.{limit} {objective.latency_ms:g}ms {to}",
        f"pulumi config set --path shapebench:objective.errors {objective.errors * 100:g}% {to}",
        f"pulumi up {to}",
    )


def _deploy_again(run: Manifest, every: Iterable[Manifest], deployments: int) -> tuple[str, ...]:
    return (*_serve(run, every), *_repeat(run, deployments))


def _repeat(run: Manifest, deployments: int) -> tuple[str, ...]:
    to = f"--stack {run.stack}"
    return (
        f"pulumi config set --path shapebench:load.freshDeployment true {to}",
        f"pulumi config set --path shapebench:load.repeats {deployments} {to}",
        f'pulumi config set shapebench:rerun "$(date)" {to}',
        f"pulumi up {to}",
    )


def _serve(run: Manifest, every: Iterable[Manifest]) -> Iterator[str]:
    """The settings that tell the variant of a run from the others of its stack."""
    others = [each.serving for each in every if each.stack == run.stack]
    to = f"--stack {run.stack}"
    if any(other.seed_faithful != run.serving.seed_faithful for other in others):
        value = "true" if run.serving.seed_faithful else "false"
        yield f"pulumi config set --path shapebench:{run.platform}.seedFaithful {value} {to}"
    for name in ServingVariant.model_fields:
        value, key = getattr(run.serving, name), f"shapebench:serving.{to_camel(name)}"
        if all(getattr(other, name) == value for other in others):
            continue
        if value is None:
            yield f"pulumi config rm --path {key} {to}"
        elif isinstance(value, Batching):
            for part, amount in value.model_dump(by_alias=True).items():
                yield f"pulumi config set --path {key}.{part} {amount} {to}"
        else:
            yield f"pulumi config set --path {key} {value} {to}"
