"""What it takes to measure a published run again: the commit, the stack's file, and what is not public or not known."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from analysis.publish.fields import is_public
from analysis.results.schema.manifest import Manifest
from stacks.explain import PREFIX
from stacks.files import ZONE_KEY
from stacks.server.images import name_and_version
from stacks.server.servers import ALL_SERVERS
from stacks.server.serving_variant import ServingVariant

_IN_CHECKOUT = "models"
"""Where a recipe says that a model of one's own is to be put."""


@dataclass(frozen=True)
class Recipe:
    """The runs that one commit and one stack file measure, in the order of time.

    `stack_file` is the file's text, None for a service that another program deploys. `missing` are sentences about
    what whoever repeats a run has to add or to choose, because the runs do not say it or it is not public.
    """

    manifests: tuple[Manifest, ...]
    commit: str
    stack_file: str | None
    missing: tuple[str, ...]

    @property
    def stack(self) -> str:
        return self.manifests[0].stack

    @property
    def commands(self) -> tuple[str, ...]:
        """In a checkout, with the stack's file in place."""
        newest = self.manifests[-1]
        to = f"--stack {shlex.quote(self.stack)}"
        zone = [f"pulumi config set {ZONE_KEY} ZONE {to}"] if newest.platform == "gke" else []
        return (f"pulumi stack init {shlex.quote(self.stack)} # unless there is one", *zone, f"pulumi up {to}")


def recipes(manifests: Iterable[Manifest]) -> tuple[Recipe, ...]:
    """One for all runs of the same commit, stack and settings; only the seed may differ, and the file has the last."""
    same: dict[tuple[str, str, str | None], list[Manifest]] = defaultdict(list)
    for run in manifests:
        same[run.git_commit or "", run.stack, _stack_file(run.model_copy(update={"seed": None}))].append(run)
    return tuple(
        Recipe(tuple(runs), commit, _stack_file(runs[-1]), tuple(_missing(runs))) for (commit, *_), runs in same.items()
    )


def seed_of(run: Manifest) -> int | None:
    """The seed in the stack's file with which an empty `rerun` gives the arrivals of the run; None where it has none.

    Each repeat adds one to it.
    """
    return None if run.seed is None else run.seed - (run.repeat.index - 1 if run.repeat else 0)


def _stack_file(run: Manifest) -> str | None:
    if run.serving.is_service:
        return None
    config = {f"{PREFIX}{key}": value for key, value in _settings(run).items() if value}
    return yaml.safe_dump({"config": config}, sort_keys=False, allow_unicode=True, width=120)


def _settings(run: Manifest) -> dict[str, Any]:
    """The values of the stack's file. What is empty here is not written: the project's default was used."""
    variant = ServingVariant(**{name: getattr(run.serving, name) for name in ServingVariant.model_fields})
    autoscaler = run.autoscaler
    return {
        "platform": run.platform,
        "region": run.cost.region,
        "shape": run.shape.model_dump(by_alias=True, exclude={"name", "vcpus", "memory_gb"}),
        "serving": variant.model_dump(by_alias=True, exclude_none=True),
        "model": _model(run),
        "local": _local(run) if run.platform == "local" else {},
        "kubernetes": _cluster(run) if run.platform == "kubernetes" else {},
        "gke": _cluster(run) if run.platform == "gke" else {},
        "autoscaler": autoscaler.model_dump(by_alias=True, exclude={"request_millis"}) if autoscaler else {},
        "load": _load(run),
    }


def _load(run: Manifest) -> dict[str, Any]:
    """The profile with all of its values, so that it does not depend on the defaults of another version."""
    pods, seed = len(run.generator.nodes) or 1, seed_of(run)
    repeats = run.repeat.of if run.repeat else 1
    several = {"repeats": repeats, "pods": pods, "processes": run.generator.processes // pods}
    return (
        run.load.model_dump(by_alias=True, mode="json")
        | ({} if seed is None else {"seed": seed})
        | {name: number for name, number in several.items() if number > 1}
    )


def _model(run: Manifest) -> dict[str, str]:
    model = run.serving.model
    if model.weights == "own":
        return {"path": f"{_IN_CHECKOUT}/{model.name}", "name": model.name}
    return {"weights": model.weights}


def _local(run: Manifest) -> dict[str, str]:
    return next(({"server": server.setting} for server in ALL_SERVERS if server.name == run.serving.server), {})


def _cluster(run: Manifest) -> dict[str, Any]:
    faithful = {"seedFaithful": True} if run.serving.seed_faithful else {}
    return faithful | ({"servingImage": image} if (image := _public_image(run)) else {})


def _public_image(run: Manifest) -> str | None:
    """The server's image by tag and digest; None where it is not public, or is another project's server."""
    serving = run.serving
    if serving.image is None or serving.server_args is not None or not is_public(serving.image):
        return None
    name, digest = name_and_version(serving.image)[0], serving.image.partition("@")[2]
    tag = "" if serving.server_version == digest else f":{serving.server_version}"
    return f"{name}{tag}{'@' if digest else ''}{digest}"


def _missing(runs: Sequence[Manifest]) -> Iterator[str]:
    run = runs[-1]
    serving, model = run.serving, run.serving.model
    if serving.is_service:
        yield "It is a service of its own: its program is not part of this project, and is not published."
        return
    if len(set(map(seed_of, runs))) > 1:
        yield "The file has the seed of the last run; with that of another one it has the arrivals of that one."
    if run.platform == "gke":
        yield f"ZONE is a zone of {run.cost.region}; the runs do not say which it was."
    if run.platform == "kubernetes":
        yield "The cluster is your own, and so is where its pods find the model."
    if run.platform != "local" and _public_image(run) is None:
        yield "The image and the arguments of the server are not published; put yours into the stack's file."
    if model.weights == "own":
        yield f"Put the model into {_IN_CHECKOUT}/{model.name}; the digest of its files is {model.digest}."
        yield f"What was sent: {model.requests}; the stack's file needs the same shapes, ranges and recorded requests."
