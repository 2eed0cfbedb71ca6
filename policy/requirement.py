"""A requirement: the values that an input may have, and what to say of any other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policy.resource import at


@dataclass(frozen=True)
class Requirement:
    """The values of one input that are safe. An input that is not known yet has none of them."""

    path: str
    safe: tuple[object, ...]
    """None among them if the input may be left out."""
    consequence: str
    """Follows `its <path> is <value>, `."""

    def problems(self, value: object, whose: str = "its", name: str = "") -> Iterator[str]:
        """One message if the input is not safe; `name` is its full path if `value` is only a part of the inputs."""
        actual = at(value, self.path)
        # True is 1 in Python, so a number is not compared with a switch.
        if not any(actual == each and isinstance(actual, bool) is isinstance(each, bool) for each in self.safe):
            shown = "not set" if actual is None else _shown(actual)
            yield f"{whose} {name or self.path} is {shown}, {self.consequence}; {self._fix(name or self.path)}"

    def _fix(self, name: str) -> str:
        values = [_shown(each) for each in self.safe if each]
        if None in self.safe and not values:
            return f"remove {name}"
        return f"set {name} to {' or '.join(values or ['false'])}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping | list):
        return "set"
    return str(value).lower() if isinstance(value, bool) else str(value)
