"""Checks that what documents name exists: links, paths, make targets, commands, options, settings, modules, ADRs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from checks.tree import own_files
from stacks.explain import PREFIX
from stacks.settings import Settings

_FENCED = re.compile(r"^(?:```.*?^```|(?: {4}|\t).*?$)", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
# A command up to its comment, to the next command of a pipe, or to the end of the line.
_COMMAND = re.compile(r"(?<![\w/:.-])shapebench ([a-z][\w-]*)([^\n|#]*)")
# A resource type such as shapebench:local:LoadTest is not a setting.
_SETTING = re.compile(rf"\b{PREFIX}([a-zA-Z]+(?:\.[a-zA-Z]+)*)(?![\w:])")
_PATH = re.compile(r"[\w.-]+(?:/[\w.*-]+)+/?|[\w-]+\.(?:py|ya?ml|toml|md|sh)")


@dataclass(frozen=True)
class Known:
    """The files, make targets and commands that exist."""

    root: Path
    files: frozenset[Path]
    targets: frozenset[str]
    commands: Mapping[str, frozenset[str]]
    """The commands of `shapebench`, each with its options."""


def make_targets(root: Path) -> frozenset[str]:
    """The targets of the Makefile, with `bench-%` as one target for each benchmark."""
    text = (root / "Makefile").read_text()
    named = {name for line in re.findall(r"^([a-z][\w -]*):(?!=)", text, re.MULTILINE) for name in line.split()}
    benchmarks = {f"bench-{path.stem}" for path in (root / "bench").glob("*.py")} if "bench-%:" in text else set()
    return frozenset(named | benchmarks)


@cache
def setting_keys() -> frozenset[str]:
    """Every key of a stack file without its prefix, such as `load` and `load.rateRps`."""
    schema = Settings.model_json_schema(by_alias=True)
    return frozenset(_keys(schema, schema.get("$defs", {}))) | {"load.profile"}


def _keys(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """The properties of a JSON schema and of its parts; where there are alternatives, those of each."""
    if "$ref" in schema:
        yield from _keys(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _keys(alternative, definitions)
    for key, part in schema.get("properties", {}).items():
        yield key
        yield from (f"{key}.{inner}" for inner in _keys(part, definitions))


def problems(root: Path, commands: Mapping[str, frozenset[str]]) -> list[str]:
    """What documents name and what does not exist, and the pages that the index does not list."""
    known = Known(root, frozenset(own_files(root)), make_targets(root), commands)
    documents = [path for path in known.files if path.suffix == ".md"]
    return [
        *(
            f"{path.relative_to(root)}: {document_problem}"
            for path in sorted(documents)
            for document_problem in document_problems(path, known)
        ),
        *_index_problems(root),
    ]


def _index_problems(root: Path) -> Iterator[str]:
    """The pages of docs/ that docs/README.md does not link to."""
    index = root / "docs/README.md"
    if not index.exists():
        return
    linked = {(index.parent / target).resolve() for target in _LINK.findall(index.read_text())}
    for page in sorted(index.parent.rglob("*.md")):
        if page != index and page.resolve() not in linked:
            yield f"docs/README.md: the page {page.relative_to(index.parent)} is not in this index; add a line for it"


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
    yield from _code_problems(code, known)
    for number in sorted(set(re.findall(r"\bADR (\d+)", text)), key=int):
        if not any((known.root / "docs/adr").glob(f"{int(number):04}-*.md")):
            yield f"there is no ADR {number} in docs/adr; correct the number"


def _code_problems(code: str, known: Known) -> Iterator[str]:
    """What the commands in a document name and what does not exist."""
    for target in sorted(set(re.findall(r"\bmake ([a-z][\w-]*)", code)) - known.targets):
        yield f"there is no target `make {target}`; `make help` lists the targets"
    used: dict[str, set[str]] = {}
    for command, rest in _COMMAND.findall(code):
        used.setdefault(command, set()).update(re.findall(r"--[a-z][\w-]*", rest))
    for command, options in sorted(used.items()):
        if command not in known.commands:
            yield f"there is no command `shapebench {command}`; `shapebench --help` lists the commands"
            continue
        for option in sorted(options - known.commands[command]):
            yield f"`shapebench {command}` has no option {option}; `shapebench {command} --help` lists the options"
    for key in sorted(set(_SETTING.findall(code)) - setting_keys()):
        yield f"there is no setting `{PREFIX}{key}`; Pulumi.yaml and stacks/ declare the settings"
    for module in sorted(set(re.findall(r"\bpython -m ([a-z_][\w.]*)", code))):
        if not _is_module(module, known):
            yield f"there is no module `{module}` for `python -m`; correct the name"


def _is_module(name: str, known: Known) -> bool:
    """Whether `python -m` finds a module. Modules outside the checkout's own packages count as found."""
    path = known.root / name.replace(".", "/")
    ours = (known.root / name.partition(".")[0]).is_dir()
    return not ours or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


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
