"""A rule: its name, its sentence, and the pure function that checks a resource."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from policy.parts import parts
from policy.resource import Resource


@dataclass(frozen=True)
class Rule:
    """A rule that every resource must keep."""

    name: str
    """In kebab-case."""
    description: str
    """The rule in one sentence."""
    check: Callable[[Resource], Iterable[str]]
    """The problems of a part of a resource: each message names the fact, the consequence and the fix."""

    def violations(self, resource: Resource) -> list[str]:
        """The problems of a resource and its parts, each message once, with the resource's name."""
        return list(dict.fromkeys(f"{resource}: {each}" for part in parts(resource) for each in self.check(part)))
