"""The tasks of a sweep, which each stack does one after the other, and the result of a run."""

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
class Measured:
    """What a finished run says of the capacity, in requests per second, of which each has `instances` on average."""

    run_id: str
    rps: Interval[float | None]
    instances: float = 1.0
