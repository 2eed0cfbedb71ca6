"""A rule: a name, a sentence, and a pure function that finds what breaks it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from policy.resource import Resource


@dataclass(frozen=True)
class Rule:
    """One thing that no resource may do."""

    name: str
    """In kebab-case."""
    description: str
    """What has to be so, in one sentence."""
    check: Callable[[Resource], Iterable[str]]
    """What is wrong with a resource: each says what is so, what follows from it, and the mend."""

    def violations(self, resource: Resource) -> list[str]:
        """What is wrong with a resource, each with its name."""
        return [f"{resource}: {each}" for each in self.check(resource)]
