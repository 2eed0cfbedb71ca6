"""The quotas that the stacks of a sweep share: what is free for them, and what each takes while it is up."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Room:
    """Amounts by quota. A quota that is not known is not here, and limits nothing; by default none is known.

    `free` is what all stacks of the sweep together may take: what is left, and what those hold that are up already.
    """

    free: Mapping[str, float] = field(default_factory=dict)
    taken_by: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def lacks(self, stack: str, up: Collection[str]) -> str:
        """The first quota that is too small for a stack beside those that are up; empty where there is room.

        Alone, a stack is never kept back: its preflight says what is missing, and how to get it.
        """
        beside = [name for name in up if name != stack]
        for quota, needed in self.taken_by.get(stack, {}).items():
            held = sum(self.taken_by.get(name, {}).get(quota, 0) for name in beside)
            if held and quota in self.free and held + needed > self.free[quota]:
                return (
                    f"{quota}: {needed:g} needed beside {held:g} of {' and '.join(beside)}, {self.free[quota]:g} free"
                )
        return ""

    def too_small(self, parallel: int) -> list[str]:
        """What to say before a sweep begins: each quota that not all stacks fit in which may be up at once."""
        lines = []
        for quota, free in self.free.items():
            needs = sorted((of[quota] for of in self.taken_by.values() if of.get(quota)), reverse=True)
            largest = sum(needs[:parallel])
            if len(needs) > 1 and largest > free:
                lines.append(
                    f"{quota}: {largest:g} needed for {min(parallel, len(needs))} stacks at once, {free:g} free"
                )
        return lines
