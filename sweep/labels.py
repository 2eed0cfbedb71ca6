"""Labels of candidates: the shortest texts that tell them apart, in the style of the names in the ranking."""

from collections import Counter
from collections.abc import Mapping, Sequence

from stacks.load.load_profiles import CapacitySearch
from stacks.server.serving_variant import Batching
from sweep.candidates import Candidate

# What a label leaves out, as the names of variants in the ranking do, unless nothing else would be left of it.
_USUAL = ("no batching", "rest", "own server")


def labelled(found: Sequence[Candidate], vcpus: Mapping[str, int]) -> tuple[Candidate, ...]:
    """The candidates with labels: the stack where there are several, and what varies within one of the stacks.

    `vcpus` are those of a node, by stack.
    """
    parts = [_parts(one, vcpus[one.stack], found) for one in found]
    stacks = {one.stack for one in found}
    objectives = _objectives(list(dict.fromkeys(one.load for one in found)))
    varied = {
        name
        for stack in stacks
        for name in parts[0]
        if len({part[name] for one, part in zip(found, parts, strict=True) if one.stack == stack}) > 1
    }
    return tuple(
        one.model_copy(update={"label": _label(one, part, varied, objectives[one.load], several=len(stacks) > 1)})
        for one, part in zip(found, parts, strict=True)
    )


def _label(one: Candidate, parts: Mapping[str, str], varied: set[str], objective: str, *, several: bool) -> str:
    shown = [text for name, text in parts.items() if name in varied]
    served = "-".join(text for text in shown if text not in _USUAL) or " ".join(shown)
    where = one.stack if several or not served else ""
    return " · ".join(filter(None, (where, served, objective)))


def _parts(one: Candidate, vcpus: int, found: Sequence[Candidate]) -> dict[str, str]:
    serving = one.serving
    return {
        "interop": serving.threads_name,
        "intraop": f"intraop{serving.intra_op or vcpus}",
        "batching": _batching(
            serving.batching, [candidate.serving.batching for candidate in found if candidate.stack == one.stack]
        ),
        "protocol": serving.protocol,
        "server": _server(one.server, {candidate.server for candidate in found if candidate.server}),
    }


def _batching(batching: Batching | None, others: Sequence[Batching | None]) -> str:
    """The largest batch, and every other setting where two batchings have the same."""
    if batching is None:
        return "no batching"
    text = f"batch{batching.max_batch_size}"
    if len({other for other in others if other and other.max_batch_size == batching.max_batch_size}) == 1:
        return text
    return (
        f"{text}-timeout{batching.batch_timeout_micros}-enqueued{batching.max_enqueued_batches}"
        f"-threads{batching.num_batch_threads}"
    )


def _server(server: str | None, servers: set[str]) -> str:
    """The last part of an image's name, unless two images have the same."""
    if server is None:
        return "own server"
    short = server.rpartition("/")[2]
    return short if [server.rpartition("/")[2] for server in servers].count(short) == 1 else server


def _objectives(loads: Sequence[CapacitySearch]) -> dict[CapacitySearch, str]:
    """A short text for each objective; empty where there is one only."""
    if len(loads) == 1:
        return {loads[0]: ""}
    texts = {load: f"p{load.quantile * 100:g} {load.latency_ms:g} ms" for load in loads}
    counts = Counter(texts.values())
    return {
        load: text if counts[text] == 1 else f"{text}, {load.error_ratio * 100:g} % failed"
        for load, text in texts.items()
    }
