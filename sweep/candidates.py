"""A candidate of a sweep: a stack with serving settings and an objective."""

import functools

from stacks.frozen import Frozen
from stacks.load.load_profiles import CapacitySearch
from stacks.server.serving_variant import ServingSettings, fingerprint


class Candidate(Frozen):
    """One combination that a sweep measures. Candidates with the same `load` compete for the lowest cost.

    `label` is the shortest text that tells it from the others. `server` is what serves instead of the server that the
    stack's file names: `local.server` on the stack `local`, else an image; None for the stack's own. `load` is the
    capacity search for the objective.
    """

    label: str
    stack: str
    serving: ServingSettings
    server: str | None
    load: CapacitySearch

    @property
    def key(self) -> str:
        """16 hexadecimal digits by which the journal knows it, whatever its label."""
        return _key(self)


@functools.lru_cache(maxsize=4096)  # a sweep asks for it at every step
def _key(candidate: Candidate) -> str:
    # So that a sweep that was begun before there was the setting is resumed with the keys of its journal.
    unset = {"one_dnn"} if candidate.serving.one_dnn is None else set()
    return fingerprint(candidate.model_dump(exclude={"label": True, "serving": unset}))
