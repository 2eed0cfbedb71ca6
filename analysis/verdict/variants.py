"""Which runs are of one variant, and which variants can be compared: same load, same model, same kind of machine."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from analysis.formatting import server_name, shape_name, shortest_names, stack_and_serving_name
from analysis.results.manifest import Manifest


@dataclass(frozen=True)
class Variant:
    """The runs of one variant, in the order of time, and the shortest name that no other variant has."""

    label: str
    manifests: tuple[Manifest, ...]

    @property
    def newest(self) -> Manifest:
        """The newest run, whose prices are the variant's."""
        return self.manifests[-1]


def comparable(manifests: Iterable[Manifest]) -> tuple[tuple[Variant, ...], tuple[tuple[Manifest, str], ...]]:
    """The largest set of variants measured in the same way, of equally large ones the newest; why others are left out.

    Runs on a cluster take precedence over any number of runs on this machine, which do not measure the shape that they
    are priced as.
    """
    groups: dict[tuple[bool, str, str], list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        groups[_conditions(manifest)].append(manifest)
    if not groups:
        return (), ()
    chosen = max(groups, key=lambda key: (key[0], len(_by_variant(groups[key])), groups[key][-1].run_id))
    excluded = [
        (each, _why_not(each, groups[chosen][-1])) for key, runs in groups.items() if key != chosen for each in runs
    ]
    return variants_of(groups[chosen]), tuple(sorted(excluded, key=lambda each: each[0].run_id))


def load_name(manifest: Manifest) -> str:
    settings = manifest.load.model_dump(exclude={"mode"}, exclude_none=True)
    return f"{manifest.load.title} ({', '.join(f'{name} {value}' for name, value in settings.items())})"


def _conditions(manifest: Manifest) -> tuple[bool, str, str]:
    return manifest.platform != "local", manifest.load.model_dump_json(), manifest.serving.model.name


def _why_not(manifest: Manifest, chosen: Manifest) -> str:
    on_cluster, load, _ = _conditions(manifest)
    if not on_cluster and chosen.platform != "local":
        return "it ran on this machine, so it does not compare with runs on a cluster"
    if load != chosen.load.model_dump_json():
        return (
            f"it ran under another load, {load_name(manifest)}, and the verdict compares runs under {load_name(chosen)}"
        )
    model, other = manifest.serving.model.name, chosen.serving.model.name
    return f"it served the model {model}, and the verdict compares runs that served {other}"


def _by_variant(manifests: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    """Runs with the same settings on the same shape and server, by a key of all of these."""
    runs = defaultdict(list)
    for manifest in manifests:
        serving = manifest.serving.model_dump_json(exclude={"model", "image"})
        runs[f"{manifest.stack} {shape_name(manifest)} {serving}"].append(manifest)
    return runs


def variants_of(manifests: Sequence[Manifest]) -> tuple[Variant, ...]:
    """The runs of each variant, whatever their load and model."""
    groups = list(_by_variant(manifests).values())
    names = shortest_names([runs[0] for runs in groups], (attrgetter("stack"), stack_and_serving_name, _all_settings))
    return tuple(Variant(names[runs[0].run_id], tuple(runs)) for runs in groups)


def _all_settings(manifest: Manifest) -> str:
    serving = manifest.serving
    batching = "" if serving.batching is None else " " + "-".join(str(value) for _, value in serving.batching)
    named = stack_and_serving_name(manifest)
    return f"{named} · intraop{serving.intra_op}{batching} {server_name(manifest)}"
