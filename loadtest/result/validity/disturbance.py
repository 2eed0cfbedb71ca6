"""Whether other programs took CPU that server and generator needed."""

import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.run.disturbance import CpuSamples, Span, disturbance_reason, span_of
from analysis.results.schema.other_cpu import OtherCpu
from loadtest.generator.phases import HOLD
from loadtest.result.finished_steps import FinishedStep
from loadtest.result.raw_rows import times_us
from loadtest.result.servers import Servers

# Tests of this project run several at once, so to them the machine is never quiet. In their environment this is set to
# `accepted`: then neither what other programs took nor what follows from it makes a run invalid. The manifest has what
# they took all the same.
IGNORED = "SHAPEBENCH_OTHER_PROGRAMS"


class Disturbances:
    """What other programs took in each part of a test; nothing is known without samples of its servers' hosts."""

    def __init__(self, rows: pa.Table, samples: pa.Table, servers: Servers) -> None:
        self._cpu = CpuSamples(samples, servers.hosts)
        self._rows, self._autoscaled = rows, servers.autoscaled

    def while_measured(self, steps: Sequence[FinishedStep]) -> OtherCpu | None:
        """In the hold, or in the `steps` of a search that the capacity follows from: those with Poisson arrivals."""
        poisson = [step.phase for step in steps if step.poisson]
        spans = self._spans(poisson or [step.phase for step in steps] or [HOLD])
        return self._cpu.others(spans) if spans else None

    def disturbed(self, phase: str) -> bool:
        """Whether they took so much in this phase that it is no evidence."""
        spans = self._spans([phase])
        other = self._cpu.others(spans) if spans else None
        return other is not None and other.disturbs and not accepted()

    def reason(self, steps: Sequence[FinishedStep], *, has_result: bool) -> str | None:
        """What others took; None if it was quiet, or if enough steps of a search were, so that it `has_result`."""
        found = disturbance_reason(self.while_measured(steps))
        if found or has_result:
            return found
        spans = self._spans([step.phase for step in steps if self.disturbed(step.phase)])
        return disturbance_reason(self._cpu.others(spans)) if spans else None

    def explains(self, reason: str | None) -> bool:
        """Whether what is odd in the figures follows from what others took.

        Of servers that come and go it is not known what others took. Where that is accepted, it may be any share.
        """
        return reason is not None or (self._autoscaled and accepted())

    def _spans(self, phases: Sequence[str]) -> list[Span]:
        due = (times_us(self._rows.filter(pc.equal(self._rows["phase"], phase)), "intended_start") for phase in phases)
        return [span for each in due if (span := span_of(each))]


def accepted() -> bool:
    """Whether runs count whatever other programs do."""
    return os.environ.get(IGNORED) == "accepted"
