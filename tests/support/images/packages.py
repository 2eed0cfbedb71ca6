"""Collects installed Python packages and everything that they require, as entries of an image."""

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.images.layer import Entry
from tests.support.images.python import SITE, module_entries

# C++ headers, a tenth of TensorFlow.
_LEFT_OUT = ("tensorflow/include/",)


def with_requirements(names: Iterable[str]) -> list[Distribution]:
    """These distributions and all that they require on this machine, sorted by name.

    Raises importlib.metadata.PackageNotFoundError where one is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        key = f"{canonicalize_name(requirement.name)}[{','.join(sorted(requirement.extras))}]"
        if key in seen:
            continue
        seen.add(key)
        one = distribution(requirement.name)
        found[canonicalize_name(requirement.name)] = one
        waiting += _required_by(one, requirement.extras)
    return [found[name] for name in sorted(found)]


def record_of(one: Distribution) -> str:
    """A distribution's RECORD: its files with their digests, so the same for the same content."""
    return one.read_text("RECORD") or ""


def entries_of(one: Distribution) -> Iterator[Entry]:
    """A distribution's modules and data, without its commands, which name the Python of this checkout."""
    for file in one.files or ():
        outside = file.parts[0] == ".." or "__pycache__" in file.parts
        if not outside and not file.as_posix().startswith(_LEFT_OUT):
            yield from module_entries(Path(str(file.locate())), f"{SITE}/{file.as_posix()}")


def _required_by(one: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for text in one.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""})
        ):
            yield requirement
