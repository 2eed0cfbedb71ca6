"""Formats numbers and names for tables and messages."""

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter

from analysis.results.schema.manifest import Manifest
from stacks.server.servers import server_title

MISSING = "–"
# The last characters of a run id are random: six of them are equal in two of 10 000 runs with a probability of 5 %.
SHORT_ID = 6
# Control and format characters; a results store of somebody else must not steer the terminal.
_CONTROL = {"Cc", "Cf"}


def is_control(character: str) -> bool:
    """Whether it steers a terminal; ends of lines do not count."""
    return character != "\n" and unicodedata.category(character) in _CONTROL


def printable(text: str) -> str:
    """The text without what steers a terminal."""
    return "".join("\N{REPLACEMENT CHARACTER}" if is_control(character) else character for character in text)


def number(value: float | None, digits: int = 3) -> str:
    """At least `digits` significant digits, a thin space between thousands, and no exponent."""
    if value is None or math.isnan(value):
        return MISSING
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return _grouped(value, max(0, digits - 1 - magnitude) if value else 0)


def money(value: float | None) -> str:
    """An amount with two decimals, or with four below ten cents."""
    if value is None:
        return MISSING
    return _grouped(value, 2 if abs(value) >= 0.1 or not value else 4)


def percent(share: float | None) -> str:
    """A share as a percentage with two decimals; a share that is not zero never reads as zero."""
    if share is None:
        return MISSING
    if 0 < share < 0.00005:
        return "< 0.01"
    return f"{share * 100:.2f}"


def count(value: int) -> str:
    return _grouped(value, 0)


def commit_text(commit: str | None) -> str:
    """Its first ten characters, and whether the checkout differed from it."""
    if commit is None:
        return "unknown"
    name, mark, dirty = commit.partition("-")
    return f"{name[:10]}{mark}{dirty}"


def counted(number: int, noun: str) -> str:
    """The number with the noun, whose plural ends in s."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def predictions_text(instances: float) -> str:
    """How many predictions a request asks for."""
    return f"A request asks for {instances:.4g} predictions"


def server_name(manifest: Manifest) -> str:
    """The server and its version; the embedded server is never called TensorFlow Serving."""
    serving = manifest.serving
    return f"{server_title(serving.server)} {serving.server_version}"


def shape_name(manifest: Manifest) -> str:
    return f"{manifest.shape.nodes} × {manifest.shape.machine_type}"


def serving_name(manifest: Manifest) -> str:
    serving = manifest.serving
    batch = "-batch" if serving.batching else ""
    limit = f"-cpulimit{serving.cpu_limit:g}" if serving.cpu_limit else ""
    one_dnn = {None: "", True: "-onednn-on", False: "-onednn-off"}[serving.one_dnn]
    faithful = "-seedfaithful" if serving.seed_faithful else ""
    name = f"{serving.threads_name}{batch}{serving.sent_over.suffix}{limit}{one_dnn}{faithful}"
    return name.removeprefix("-") or serving.protocol


def variant_name(manifest: Manifest) -> str:
    """Shape and serving settings of a run as the published experiment writes them: `2n-8c-16r-interop4-batch`."""
    shape = manifest.shape
    return f"{shape.nodes}n-{shape.vcpus}c-{shape.memory_gb:g}r-{serving_name(manifest)}"


def stack_and_serving_name(manifest: Manifest) -> str:
    return f"{manifest.stack} · {serving_name(manifest)}"


def run_name(manifest: Manifest) -> str:
    """Stack, settings and the end of the run id, which `shapebench show` takes: the same whatever other runs there are.

    Ids of runs that began at about the same time have the same beginning.
    """
    return f"{stack_and_serving_name(manifest)} · {manifest.run_id[-SHORT_ID:]}"


def short_ids(run_ids: Collection[str]) -> dict[str, str]:
    """By run id, its end: as many of the last characters as it takes to tell all of them apart, at least SHORT_ID."""
    lengths = range(SHORT_ID, max(map(len, run_ids), default=SHORT_ID) + 1)
    length = next(length for length in lengths if len({run_id[-length:] for run_id in run_ids}) == len(set(run_ids)))
    return {run_id: run_id[-length:] for run_id in run_ids}


def shortest_names(manifests: Sequence[Manifest], namings: Sequence[Callable[[Manifest], str]]) -> dict[str, str]:
    """By run id, the first of the names that no other has; the run id where none is."""
    names: dict[str, str] = {}
    every_naming: tuple[Callable[[Manifest], str], ...] = (*namings, attrgetter("run_id"))
    for naming in every_naming:
        unnamed = {manifest.run_id: naming(manifest) for manifest in manifests if manifest.run_id not in names}
        counts = Counter(unnamed.values())
        names |= {run_id: name for run_id, name in unnamed.items() if counts[name] == 1}
    return names


def _grouped(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
