"""Which runs are repeats of one variant, and which variants compare: same load, same model, same kind of machine."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.formatting import server_name, shape_name, shortest_names, stack_and_serving_name, stack_name
from analysis.results.manifest import Manifest

_MODES = {"closed": "a closed loop", "open": "an open loop", "capacity": "a capacity search"}


@dataclass(frozen=True)
class Variant:
    """The runs of one variant, in the order of time, and the shortest name that tells it from the others."""

    label: str
    manifests: tuple[Manifest, ...]

    @property
    def newest(self) -> Manifest:
        """The run whose prices count."""
        return self.manifests[-1]


@dataclass(frozen=True)
class Comparable:
    """Variants that compare, and the runs that do not compare with them, with the reason."""

    variants: tuple[Variant, ...]
    others: tuple[tuple[Manifest, str], ...]


def comparable(manifests: Iterable[Manifest]) -> Comparable:
    """The largest set of variants measured alike, of several equally large ones the newest.

    Runs on a cluster go before runs on this machine, however many those are: what a laptop measures says nothing of
    the shape that it stands in for.
    """
    alike: dict[tuple[bool, str, str], list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        alike[_measured_alike(manifest)].append(manifest)
    if not alike:
        return Comparable((), ())
    chosen = max(alike, key=lambda key: (key[0], len(_by_variant(alike[key])), alike[key][-1].run_id))
    others = [
        (each, _why_not(each, alike[chosen][-1])) for key, runs in alike.items() if key != chosen for each in runs
    ]
    return Comparable(variants_of(alike[chosen]), tuple(sorted(others, key=lambda other: other[0].run_id)))


def load_name(manifest: Manifest) -> str:
    """The load in words."""
    settings = manifest.load.model_dump(exclude_none=True)
    mode = _MODES[settings.pop("mode")]
    return f"{mode} ({', '.join(f'{name} {value}' for name, value in settings.items())})"


def _measured_alike(manifest: Manifest) -> tuple[bool, str, str]:
    return manifest.platform != "local", manifest.load.model_dump_json(), manifest.serving.model.name


def _why_not(manifest: Manifest, chosen: Manifest) -> str:
    on_cluster, load, _ = _measured_alike(manifest)
    if not on_cluster and chosen.platform != "local":
        return "it was measured on this machine, which says nothing of a cluster"
    if load != chosen.load.model_dump_json():
        return (
            f"it was measured under another load, {load_name(manifest)}, and the verdict compares {load_name(chosen)}; "
            "only what was asked alike compares"
        )
    return f"it served the model {manifest.serving.model.name}, and the verdict compares {chosen.serving.model.name}"


def _by_variant(manifests: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    """Runs by all that a variant is: the same settings on the same shape by the same server."""
    runs = defaultdict(list)
    for manifest in manifests:
        serving = manifest.serving.model_dump_json(exclude={"model", "image"})
        runs[f"{manifest.stack} {shape_name(manifest)} {serving}"].append(manifest)
    return runs


def variants_of(manifests: Sequence[Manifest]) -> tuple[Variant, ...]:
    """The runs of each variant together, whatever load and model they had."""
    groups = list(_by_variant(manifests).values())
    names = shortest_names([runs[0] for runs in groups], (stack_name, stack_and_serving_name, _all_settings))
    return tuple(Variant(names[runs[0].run_id], tuple(runs)) for runs in groups)


def _all_settings(manifest: Manifest) -> str:
    serving = manifest.serving
    batching = "" if serving.batching is None else " " + "-".join(str(value) for _, value in serving.batching)
    named = stack_and_serving_name(manifest)
    return f"{named} · intraop{serving.intra_op}{batching} {server_name(manifest)}"
