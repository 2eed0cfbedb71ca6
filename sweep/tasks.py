"""The tasks of a sweep, which each stack does one after the other, and the result of a run."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from analysis.interval import Interval
from sweep.candidates import Candidate


class Length(StrEnum):
    """How long a capacity search takes: `short` ends at a wide interval, `full` at the precision that was asked for."""

    short = "short"
    full = "full"


@dataclass(frozen=True)
class Measure:
    """Measure a candidate once, on a fresh deployment; this makes its stack where it is missing.

    All candidates have the same arrivals in a block. Blocks are numbered from 1.
    """

    kind: ClassVar[Literal["measure"]] = "measure"
    candidate: Candidate
    block: int
    length: Length

    @property
    def stack(self) -> str:
        return self.candidate.stack


@dataclass(frozen=True)
class Destroy:
    """Destroy everything that the stack has."""

    kind: ClassVar[Literal["destroy"]] = "destroy"
    stack: str


Task = Measure | Destroy


@dataclass(frozen=True)
class DrawnCpus:
    """The CPU models that the serving nodes of a run got by chance, each with the name of its node.

    `pool` names what they were drawn from, a machine series in a region, and `models` is how many it is known to have.
    """

    pool: str
    models: int
    nodes: tuple[tuple[str, str], ...]

    @property
    def shares(self) -> dict[str, float]:
        """The share of the nodes that has each model."""
        return {cpu: count / len(self.nodes) for cpu, count in Counter(cpu for _, cpu in self.nodes).items()}


@dataclass(frozen=True)
class Measured:
    """What a finished run says of the capacity, in requests per second, of which each has `instances` on average.

    `drawn` is None where the CPU model did not come by chance, or is not known.
    """

    run_id: str
    rps: Interval[float | None]
    instances: float = 1.0
    drawn: DrawnCpus | None = None
