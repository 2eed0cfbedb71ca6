"""Runs that are left out of the ranking for their CPUs alone: which they are, what each side ran on, and why."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analysis.comparability import CPU, cpu_shares, differing
from analysis.formatting import counted, stack_and_serving_name
from analysis.results.schema.manifest import Manifest
from analysis.verdict.variants import variant_key


@dataclass(frozen=True)
class LeftOut:
    """The runs of one variant on one mix of CPU models, in the order of time; `ranked` is one of the ranked runs."""

    manifests: tuple[Manifest, ...]
    ranked: Manifest

    @property
    def why(self) -> str:
        """One sentence, without the full stop."""
        run, count = self.manifests[0], len(self.manifests)
        own, ranked = CPU.values(run, self.ranked)
        return (
            f"{counted(count, 'run')} of {stack_and_serving_name(run)} {'is' if count == 1 else 'are'} left out of the"
            f" ranking, because {'it' if count == 1 else 'they'} ran on {own}, and the ranked runs on {ranked}: a"
            " capacity holds for the CPU models that it was measured on, in their shares of the servers"
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": stack_and_serving_name(self.manifests[0]),
            "stack": self.manifests[0].stack,
            "run_ids": [run.run_id for run in self.manifests],
            "cpu_shares": _as_numbers(self.manifests[0]),
            "ranked_cpu_shares": _as_numbers(self.ranked),
            "why": self.why,
        }


def left_out_for_cpu(incomparable: Iterable[Manifest], ranked: Iterable[Manifest]) -> tuple[LeftOut, ...]:
    """Of runs that do not compare with the ranked ones, those of which nothing else differs."""
    reference = next(iter(ranked), None)
    if reference is None:
        return ()
    groups: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for run in incomparable:
        if differing(run, reference) == [CPU]:
            groups[variant_key(run), CPU.value(run)].append(run)
    return tuple(LeftOut(tuple(runs), reference) for runs in groups.values())


def _as_numbers(manifest: Manifest) -> dict[str, float]:
    return {cpu: float(share) for cpu, share in cpu_shares(manifest).items()}
