"""The commands that measure variants again: sweeps, and updates of a changed stack file for what no sweep can vary."""

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby, product

from pydantic.alias_generators import to_camel

from analysis.objective import Objective
from analysis.results.schema.manifest import Manifest
from stacks.load.objective import QUANTILES
from stacks.server.servers import ALL_SERVERS
from stacks.server.serving_variant import Batching, ServingVariant

# The store of a sweep that is not told another, as seen from the checkout.
DEFAULT_STORE = "results"
# The axes of a sweep (docs/sweep.md) that a variant can differ in, as its options.
_Values = tuple[str, ...]
_OPTIONS = ("--stack", "--inter-op", "--intra-op", "--protocol", "--batching", "--server")


def sweep_commands(runs: Sequence[Manifest], objective: Objective, blocks: int, store_uri: str) -> tuple[str, ...]:
    """Commands that give each variant, by a run of each, so many capacity searches on fresh deployments.

    The runs go to the results store that was read.

    As few sweeps as measure these variants and no others: one if their settings are all combinations of some values,
    else one for each stack or, if need be, for each variant. All settings are stated, so that it does not matter what
    the stack's file has.
    """
    # A stack's own server needs no option.
    names_servers = len({run.serving.server for run in runs}) > 1
    swept = {values[: None if names_servers else -1]: run.platform for run in runs if (values := _values(run))}
    commands: list[str] = []
    for platform in dict.fromkeys(swept.values()):
        of_one = [values for values, of in swept.items() if of == platform]
        commands += (_sweep(combination, objective, blocks, store_uri) for combination in _combinations(of_one))
    for run in runs:
        if run.serving.is_service:
            times = "" if blocks == 1 else f", {blocks} times"
            commands.append(f"pulumi up # in the program of {run.stack}: load profile capacity, a new rerun{times}")
        elif _values(run) is None:
            commands += _updates(run, objective, blocks)
    return tuple(commands)


def _values(run: Manifest) -> _Values | None:
    """The setting of a variant on each axis; None if it has one that a sweep cannot vary."""
    serving, vcpus = run.serving, run.shape.vcpus
    if (
        serving.cpu_limit is not None
        or serving.one_dnn is not None
        or serving.seed_faithful
        or serving.server_args is not None
    ):
        return None
    batching = "off"
    if serving.batching:
        size = serving.batching.max_batch_size
        usual = Batching(
            max_batch_size=size, batch_timeout_micros=0, max_enqueued_batches=vcpus, num_batch_threads=vcpus
        )
        if serving.batching != usual:
            return None
        batching = str(size)
    intra_op = "shape" if serving.intra_op == vcpus else str(serving.intra_op)
    return run.stack, str(serving.inter_op), intra_op, serving.protocol, batching, _server(run)


def _server(run: Manifest) -> str:
    """What names the server of a run: on this machine its setting, elsewhere its image."""
    if run.platform != "local":
        return run.serving.image or run.serving.server_version
    known = (each.setting for each in ALL_SERVERS if each.name == run.serving.server)
    return next(known, run.serving.server)


def _combinations(variants: Sequence[_Values]) -> Iterator[Sequence[_Values]]:
    """The variants in groups, each of which is all combinations of its values."""
    if _are_all_combinations(variants):
        yield variants
        return
    for _, group in groupby(sorted(variants), key=lambda values: values[0]):
        of_stack = list(group)
        if _are_all_combinations(of_stack):
            yield of_stack
        else:
            yield from ([each] for each in of_stack)


def _axes(variants: Sequence[_Values]) -> list[list[str]]:
    return [list(dict.fromkeys(values)) for values in zip(*variants, strict=True)]


def _are_all_combinations(variants: Sequence[_Values]) -> bool:
    return set(product(*_axes(variants))) == set(variants)


def _sweep(variants: Sequence[_Values], objective: Objective, blocks: int, store_uri: str) -> str:
    stacks, *settings = _axes(variants)
    return " ".join(
        (
            "shapebench sweep",
            *(f"--stack {stack}" for stack in stacks),
            *(f"{option} {','.join(values)}" for option, values in zip(_OPTIONS[1:], settings, strict=False)),
            f"--{_limit(objective)} {objective.latency_ms:g}ms",
            f"--errors {objective.errors * 100:g}%",
            f"--strategy grid --blocks {blocks}",
            *(() if store_uri == DEFAULT_STORE else (f"--results {shlex.quote(store_uri)}",)),
        )
    )


def _limit(objective: Objective) -> str:
    """The key of the latency limit; of a quantile that has none, that of the next stricter one."""
    return next((name for name, quantile in QUANTILES.items() if quantile >= objective.quantile), "p999")


def _updates(run: Manifest, objective: Objective, blocks: int) -> Iterator[str]:
    """Commands that change the stack's file: what it has of another load or objective is removed first."""
    to = f"--stack {run.stack}"
    yield f"pulumi config rm shapebench:load {to}"
    if run.platform != "local":
        value = "true" if run.serving.seed_faithful else "false"
        yield f"pulumi config set --path shapebench:{run.platform}.seedFaithful {value} {to}"
    for name in ServingVariant.model_fields:
        value, key = getattr(run.serving, name), f"shapebench:serving.{to_camel(name)}"
        if value is None:
            yield f"pulumi config rm --path {key} {to}"
        elif isinstance(value, Batching):
            for part, amount in value.model_dump(by_alias=True).items():
                yield f"pulumi config set --path {key}.{part} {amount} {to}"
        else:
            yield f"pulumi config set --path {key} {str(value).lower()} {to}"
    yield f"pulumi config set --path shapebench:load.profile capacity {to}"
    yield f"pulumi config set --path shapebench:load.freshDeployment true {to}"
    yield f"pulumi config set --path shapebench:load.repeats {blocks} {to}"
    yield f"pulumi config rm shapebench:objective {to}"
    yield f"pulumi config set --path shapebench:objective.{_limit(objective)} {objective.latency_ms:g}ms {to}"
    yield f"pulumi config set --path shapebench:objective.errors {objective.errors * 100:g}% {to}"
    yield f'pulumi config set shapebench:rerun "$(date)" {to}'
    yield f"pulumi up {to}"
