"""The settings of a sweep: its candidates, how it decides, and its limits."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from analysis.objective import asked
from stacks.frozen import Frozen
from sweep.candidates import Candidate
from sweep.prior import StackPrior


def _share(value: object) -> object:
    """A share from its text, such as 5%; anything else as it is."""
    return asked({"within": value}).within if isinstance(value, str) else value


class SweepChoices(Frozen):
    """How a sweep decides, and its limits. Limits are of the whole sweep, resumed or not."""

    strategy: Annotated[
        Literal["race", "grid"],
        Field(description="Give race (drops what is certainly not best) or grid (measures all equally often)."),
    ] = "race"
    within: Annotated[
        float,
        BeforeValidator(_share),
        Field(gt=0, lt=1, description="The difference in cost that does not matter in practice. Give 2% to 10%."),
    ] = 0.05
    blocks: Annotated[
        int | None,
        Field(ge=1, le=100, description="Runs of each candidate at most. Leave it out for the strategy's own number."),
    ] = None
    parallel: Annotated[int, Field(ge=1, description="Stacks that are up at once. Give 1 or more.")] = 4
    max_usd: Annotated[
        float | None, Field(gt=0, description="USD that the sweep may cost. Leave it out for no limit.")
    ] = None
    max_hours: Annotated[
        float | None, Field(gt=0, description="Hours that the sweep may take. Leave it out for no limit.")
    ] = None
    seed: Annotated[int, Field(ge=0, description="The seed of the order of the runs. Give 0 or more.")] = 1
    estimate: Annotated[
        bool,
        Field(
            description="Whether to leave out what public results of its CPU, its price and the runs of others put too"
            " far behind. Give true or false."
        ),
    ] = True
    results: Annotated[str, Field(min_length=1, description="The results store: a folder or a URI.")] = "results"


class SweepSettings(SweepChoices):
    """What a sweep was asked for, as the journal keeps it. `simulated`: its fleet is made up and measures nothing.

    `on_one_machine`: its stacks are on the platform `local`. `made`: the configuration by full key of each stack that
    the sweep makes of a machine type. `priors`: by stack, what is known of its cost beforehand.
    """

    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]
    simulated: bool = False
    on_one_machine: bool = False
    made: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    priors: Mapping[str, StackPrior] = Field(default_factory=dict)
