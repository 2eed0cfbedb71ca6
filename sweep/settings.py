"""The settings of a sweep, from its file and options, parsed once."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.frozen import Frozen
from sweep.candidates import Candidate


class SweepSettings(Frozen):
    """What a sweep was asked for, as the journal keeps it. Limits are of the whole sweep, resumed or not.

    `simulated`: its fleet is made up, so it measures nothing.
    """

    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]
    strategy: Literal["grid", "race"] = "race"
    within: Annotated[float, Field(gt=0, lt=1)] = 0.05
    blocks: Annotated[int | None, Field(ge=1, le=100)] = None
    parallel: Annotated[int, Field(ge=1)] = 4
    max_usd: Annotated[float | None, Field(gt=0)] = None
    max_hours: Annotated[float | None, Field(gt=0)] = None
    seed: Annotated[int, Field(ge=0)] = 1
    results: str = "results"
    simulated: bool = False
