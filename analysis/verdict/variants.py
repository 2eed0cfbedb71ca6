"""Which runs are of one variant, and which variants are ranked: those that ran under the same conditions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from analysis.comparability import CONDITIONS, RANKED_CONDITIONS, Condition, comparison_key, largest_group
from analysis.formatting import shape_name, shortest_names, stack_and_serving_name
from analysis.results.schema.manifest import Manifest
from stacks.server.servers import server_title


@dataclass(frozen=True)
class Variant:
    """The runs of one variant, in the order of time, and the shortest name that no other variant has."""

    label: str
    manifests: tuple[Manifest, ...]

    @property
    def newest(self) -> Manifest:
        """The newest run, whose prices are the variant's."""
        return self.manifests[-1]


def comparable(
    manifests: Iterable[Manifest],
) -> tuple[tuple[Variant, ...], tuple[tuple[Manifest, tuple[str, ...]], ...]]:
    """The variants that are ranked, and the runs that do not compare with them, each with its reasons.

    The load is no condition: whatever was sent, a run says something of the same capacity. Nor is a CPU model that came
    by chance.
    """
    chosen, excluded = largest_group(manifests, variant_key, RANKED_CONDITIONS)
    return variants_of(chosen, RANKED_CONDITIONS), tuple(excluded)


def variant_key(manifest: Manifest) -> str:
    """Equal for runs with the same settings on the same shape, whatever the conditions of the run."""
    return f"{manifest.stack} {shape_name(manifest)} {manifest.serving.settings('server_version')}"


def variants_of(manifests: Iterable[Manifest], conditions: Sequence[Condition] = CONDITIONS) -> tuple[Variant, ...]:
    """The runs of each variant, whatever their load; under other conditions a variant is another one."""
    groups: dict[object, list[Manifest]] = defaultdict(list)
    for manifest in sorted(manifests, key=attrgetter("run_id")):
        groups[variant_key(manifest), comparison_key(manifest, conditions)].append(manifest)
    first = [runs[0] for runs in groups.values()]
    differing = [condition for condition in conditions if len(set(map(condition.value, first))) > 1]

    def with_conditions(manifest: Manifest) -> str:
        return " · ".join((_all_settings(manifest), *(each.value(manifest) for each in differing)))

    namings = (
        stack_and_serving_name, _and_server, _and_arguments, _and_shape, _all_settings, with_conditions, _and_threads
    )  # fmt: skip
    names = shortest_names(first, namings)
    return tuple(Variant(names[runs[0].run_id], tuple(runs)) for runs in groups.values())


def _and_server(manifest: Manifest) -> str:
    return f"{stack_and_serving_name(manifest)} · {server_title(manifest.serving.server)}"


def _and_arguments(manifest: Manifest) -> str:
    """Of an image, which one may be started in several ways."""
    return " ".join((_and_server(manifest), *(manifest.serving.server_args or ())))


def _and_shape(manifest: Manifest) -> str:
    """The shape of a stack can be changed: docs/gke-quick-start.md does so for a new account."""
    return f"{stack_and_serving_name(manifest)} · {shape_name(manifest)}"


def _all_settings(manifest: Manifest) -> str:
    serving = manifest.serving
    batching = "" if serving.batching is None else " " + "-".join(str(value) for _, value in serving.batching)
    return f"{stack_and_serving_name(manifest)} · intraop{serving.intra_op}{batching}"


def _and_threads(manifest: Manifest) -> str:
    threads = manifest.serving.rest_threads
    return f"{_all_settings(manifest)} · REST threads {'not recorded' if threads is None else threads}"
