"""Which runs can be compared: those that ran under the same conditions. The verdict, the plan and the report use this.

Which server a run had is a factor, and which build of it a condition: runs of two servers compare, those of two builds
of one do not. What is unknown is a value of its own: two unknown CPU models may be the same, an unknown and a known one
may not. On GKE the CPU model comes by chance with the nodes: a ranking takes the runs on all of them
(analysis/verdict/mix.py), and only two runs that are compared as they are need the same.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from operator import attrgetter

from analysis.formatting import server_name
from analysis.results.schema.manifest import Machine, Manifest

_PLATFORMS = {
    "local": "this machine",
    "kubernetes": "an existing cluster",
    "gke": "GKE",
    "service": "machines of a service",
}
UNKNOWN_CPU = "an unknown CPU model"


@dataclass(frozen=True)
class Condition:
    """Something that must be equal in two runs. `value` is text that goes after the preposition in a sentence."""

    name: str
    preposition: str
    value: Callable[[Manifest], str]
    same: str
    """What two runs need in order to be compared, after "run both"."""
    brief: Callable[[Manifest], str] | None = None
    """A shorter value, for two runs that it tells apart."""

    def values(self, manifest: Manifest, other: Manifest) -> tuple[str, str]:
        """The values of both runs, no longer than it takes to tell them apart."""
        if self.brief and self.brief(manifest) != self.brief(other):
            return self.brief(manifest), self.brief(other)
        return self.value(manifest), self.value(other)


def cpu_name(machine: Machine) -> str:
    """The CPU model with what tells models of the same name apart; hypervisors may hide all but these numbers."""
    if machine.cpu_model is None:
        return UNKNOWN_CPU
    numbers = ", ".join(filter(None, (machine.cpu_vendor, machine.cpu_signature)))
    return f"{machine.cpu_model} ({numbers})" if numbers else machine.cpu_model


def cpus(manifest: Manifest, name: Callable[[Machine], str] = cpu_name) -> str:
    """The CPU model of the servers; where they differ, the share of the servers that each has."""
    shares = cpu_shares(manifest, name)
    if len(shares) == 1:
        return next(iter(shares))
    return " and ".join(f"{cpu} ({share} of the servers)" for cpu, share in shares.items())


def cpu_shares(manifest: Manifest, name: Callable[[Machine], str] = cpu_name) -> dict[str, Fraction]:
    """The share of the servers that each CPU model has."""
    counted = Counter(map(name, manifest.replicas)) or Counter([UNKNOWN_CPU])
    return {cpu: Fraction(counted[cpu], counted.total()) for cpu in sorted(counted)}


def _brief_cpus(manifest: Manifest) -> str:
    return cpus(manifest, lambda machine: machine.cpu_model or UNKNOWN_CPU)


def has_drawn_cpus(manifest: Manifest) -> bool:
    """Whether its nodes got their CPU models by chance, and all of these are known."""
    known = all(replica.cpu_model is not None for replica in manifest.replicas)
    return manifest.platform == "gke" and bool(manifest.replicas) and known


def _cpus_unless_drawn(manifest: Manifest) -> str:
    return "the CPU models that its nodes got" if has_drawn_cpus(manifest) else cpus(manifest)


def load_name(manifest: Manifest) -> str:
    settings = manifest.load.model_dump(exclude={"mode"}, exclude_none=True)
    return f"{manifest.load.title} ({', '.join(f'{name} {value}' for name, value in settings.items())})"


def _model(manifest: Manifest) -> str:
    """With what is sent to it, where that is not one photograph: a longer text is more work, and so are several."""
    model = manifest.serving.model
    sent = "" if model.requests is None else f", sent {model.requests}"
    instances = "" if model.instances == 1 else f", {model.instances:g} predictions a request"
    return f"{model.name}{sent}{instances}"


def _digest(manifest: Manifest) -> str:
    return manifest.serving.model.digest


def _image(manifest: Manifest) -> str:
    """By digest, so that a mirror's copy is the same image."""
    image = manifest.serving.image
    return "unknown" if image is None else ", ".join(sorted(set(re.findall(r"sha256:\w+", image)))) or image


def _generator(manifest: Manifest) -> str:
    where = "the machine of a server" if manifest.generator.shares_host_with_server else "a machine of its own"
    return f"{manifest.generator.kind} on {where}"


CPU = Condition("cpu", "on", cpus, "on one CPU model (docs/verdict.md says how)", _brief_cpus)
# In the order in which their differences are listed. What of these is a factor of an experiment is not here: the shape
# and the serving variant.
CONDITIONS = (
    Condition("platform", "on", lambda run: _PLATFORMS[run.platform], "on one platform"),
    Condition("model", "with the model", _model, "with one model"),
    Condition("weights", "with", lambda run: f"{run.serving.model.weights} weights", "with the same weights"),
    Condition("digest", "with the model files", _digest, "with the same model files", lambda run: _digest(run)[:19]),
    Condition("server", "with", server_name, "with one server version"),
    Condition("image", "with the server image", _image, "with one server image"),
    Condition("generator", "with the generator", _generator, "with the same generator"),
    CPU,
)
# The conditions for runs whose variants are ranked.
RANKED_CONDITIONS = (*CONDITIONS[:-1], replace(CPU, value=_cpus_unless_drawn))
# What two runs of one server must have in common, and two servers cannot.
BUILD = tuple(condition for condition in CONDITIONS if condition.name in ("server", "image"))
# The conditions for runs whose figures at their own load are compared; a capacity follows from runs under any load.
ALL_CONDITIONS = (Condition("load", "under", load_name, "under one load"), *CONDITIONS)


def comparison_key(manifest: Manifest, conditions: Sequence[Condition] = CONDITIONS) -> tuple[str, ...]:
    """Equal for runs that can be compared."""
    return tuple(condition.value(manifest) for condition in conditions)


def comparison_group(manifest: Manifest) -> str:
    """A short name of the runs that can be compared with this one, equal for equal conditions. It is never a number."""
    return "g" + sha256("\n".join(comparison_key(manifest, ALL_CONDITIONS)).encode()).hexdigest()[:7]


def _build(manifest: Manifest) -> tuple[str, ...]:
    return comparison_key(manifest, BUILD)


def differences(manifest: Manifest, other: Manifest, conditions: Sequence[Condition] = CONDITIONS) -> tuple[str, ...]:
    """Why two runs cannot be compared, a sentence for each condition; on another platform, that alone."""
    found = differing(manifest, other, conditions)
    on_another_platform = [condition for condition in found if condition.name == "platform"]
    return tuple(
        f"it ran {condition.preposition} {own}, so it does not compare with runs {condition.preposition} {others};"
        f" run both {condition.same}"
        for condition in on_another_platform or found
        for own, others in (condition.values(manifest, other),)
    )


def differing(manifest: Manifest, other: Manifest, conditions: Sequence[Condition] = CONDITIONS) -> list[Condition]:
    return [condition for condition in conditions if condition.value(manifest) != condition.value(other)]


def largest_group(
    manifests: Iterable[Manifest],
    variant_of: Callable[[Manifest], Hashable],
    conditions: Sequence[Condition] = CONDITIONS,
) -> tuple[list[Manifest], list[tuple[Manifest, tuple[str, ...]]]]:
    """The runs under the same conditions with the most variants, of as many the newest; all others, with the reasons.

    Of each server they are of the build with the most variants. Runs on a cluster take precedence over any number of
    runs on this machine, which do not measure the shape that they are priced as. Both lists are in the order of time.
    """
    every = sorted(manifests, key=attrgetter("run_id"))
    if not every:
        return [], []
    of_all = [condition for condition in conditions if condition not in BUILD]
    chosen = max(
        (_of_one_build_each(runs, variant_of) for runs in _grouped(every, lambda run: comparison_key(run, of_all))),
        key=lambda runs: (runs[0].platform != "local", len(set(map(variant_of, runs))), runs[-1].run_id),
    )
    kept, of_server = set(map(id, chosen)), {run.serving.server: run for run in chosen}
    others = [run for run in every if id(run) not in kept]
    return chosen, [
        (run, differences(run, of_server.get(run.serving.server, chosen[-1]), conditions)) for run in others
    ]


def _of_one_build_each(runs: Sequence[Manifest], variant_of: Callable[[Manifest], Hashable]) -> list[Manifest]:
    """For each server the runs of its build with the most variants, of as many the newest; in the order of time."""
    kept = [
        max(
            _grouped(of_one, _build),
            key=lambda build_runs: (len(set(map(variant_of, build_runs))), build_runs[-1].run_id),
        )
        for of_one in _grouped(runs, lambda run: run.serving.server)
    ]
    return sorted((run for build_runs in kept for run in build_runs), key=attrgetter("run_id"))


def _grouped(runs: Iterable[Manifest], key: Callable[[Manifest], Hashable]) -> Iterable[list[Manifest]]:
    groups: dict[Hashable, list[Manifest]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return groups.values()
