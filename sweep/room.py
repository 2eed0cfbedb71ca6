"""The quotas that the stacks of a sweep share: what is free for them, and what each takes while it is up."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Room:
    """Amounts by quota. A quota that is not known is not in `free`, and limits nothing; by default none is known.

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
        return [
            f"{quota}: {needed:g} needed for {stacks} stacks at once, {self.free[quota]:g} free"
            for quota, needed, stacks in self._needed(parallel)
            if quota in self.free and len(self._takers(quota)) > 1 and needed > self.free[quota]
        ]

    def unknown(self, parallel: int) -> list[str]:
        """What to say before a sweep begins: each quota that it needs and that nobody knows the limit of."""
        return [
            f"{quota}: {needed:g} needed for {'1 stack' if stacks == 1 else f'{stacks} stacks at once'}"
            for quota, needed, stacks in self._needed(parallel)
            if quota not in self.free
        ]

    def _needed(self, parallel: int) -> Iterator[tuple[str, float, int]]:
        """What is needed of each quota while the stacks that take most of it are up, and how many these are."""
        for quota in dict.fromkeys(name for taken in self.taken_by.values() for name in taken):
            largest = sorted(self._takers(quota), reverse=True)[:parallel]
            yield quota, sum(largest), len(largest)

    def _takers(self, quota: str) -> list[float]:
        return [taken[quota] for taken in self.taken_by.values() if taken.get(quota)]
