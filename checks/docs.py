"""Checks that the links, paths, make targets and commands in documents exist."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from checks.tree import own_files

_FENCED = re.compile(r"^(?:```.*?^```|(?: {4}|\t).*?$)", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_PATH = re.compile(r"[\w.-]+(?:/[\w.*-]+)+/?|[\w-]+\.(?:py|ya?ml|toml|md|sh)")


@dataclass(frozen=True)
class Known:
    """The files, make targets and commands that exist."""

    root: Path
    files: frozenset[Path]
    targets: frozenset[str]
    commands: frozenset[str]


def make_targets(root: Path) -> frozenset[str]:
    """The targets of the Makefile, with `bench-%` as one target for each benchmark."""
    text = (root / "Makefile").read_text()
    named = {name for line in re.findall(r"^([a-z][\w -]*):(?!=)", text, re.MULTILINE) for name in line.split()}
    benchmarks = {f"bench-{path.stem}" for path in (root / "bench").glob("*.py")} if "bench-%:" in text else set()
    return frozenset(named | benchmarks)


def problems(root: Path, commands: Iterable[str]) -> list[str]:
    """What documents name and what does not exist."""
    known = Known(root, frozenset(own_files(root)), make_targets(root), frozenset(commands))
    documents = [path for path in known.files if path.suffix == ".md"]
    return [
        f"{path.relative_to(root)}: {each}" for path in sorted(documents) for each in document_problems(path, known)
    ]


def document_problems(document: Path, known: Known) -> Iterator[str]:
    """What one document names and what does not exist."""
    text = document.read_text()
    prose = _FENCED.sub("", text)
    for target in _LINK.findall(_INLINE.sub("", prose)):
        yield from _link_problems(document, target)
    code = "\n".join(_INLINE.findall(prose))
    for name in dict.fromkeys(_INLINE.findall(prose)):
        if _PATH.fullmatch(name) and not _exists(name, known):
            yield f"there is no file `{name}`; correct the name or add the file"
    for block in _FENCED.findall(text):
        code += "\n" + block
    for target in sorted(set(re.findall(r"\bmake ([a-z][\w-]*)", code)) - known.targets):
        yield f"there is no target `make {target}`; `make help` lists the targets"
    for command in sorted(set(re.findall(r"(?<![\w/:.-])shapebench ([a-z][\w-]*)", code)) - known.commands):
        yield f"there is no command `shapebench {command}`; `shapebench --help` lists the commands"


def _link_problems(document: Path, target: str) -> Iterator[str]:
    if re.match(r"[a-z][a-z+.-]*:", target):
        return
    path, _, anchor = target.partition("#")
    linked = (document.parent / path) if path else document
    if not linked.exists():
        yield f"the link to {target} is broken; correct its path"
    elif anchor and linked.suffix == ".md" and anchor not in _anchors(linked.read_text()):
        yield f"the link to {target} names a heading that does not exist; correct its anchor"


def _anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+\s+(.+?)\s*$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}


def _exists(name: str, known: Known) -> bool:
    """Whether a path exists. Paths outside the checkout's own folders count as existing: running may create them."""
    first, slash, _ = name.partition("/")
    if not slash:
        return any(path.name == name for path in known.files)
    if not any(path.is_relative_to(known.root / first) for path in known.files):
        return True
    return any(known.root.glob(name.rstrip("/")))
