"""A rule: its name, its sentence, and the pure function that checks a resource."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from policy.resource import Resource


@dataclass(frozen=True)
class Rule:
    """A rule that every resource must keep."""

    name: str
    """In kebab-case."""
    description: str
    """The rule in one sentence."""
    check: Callable[[Resource], Iterable[str]]
    """The problems of a resource: each message names the fact, the consequence and the mend."""

    def violations(self, resource: Resource) -> list[str]:
        """The problems of a resource, each message with the resource's name."""
        return [f"{resource}: {each}" for each in self.check(resource)]
