"""Warm-up, ramp and hold: when each begins, and which one a request belongs to. Standard library only."""

import re

WARMUP, RAMP, HOLD = "warmup", "ramp", "hold"

# Every name that the results store allows for a phase.
PHASE_NAME = re.compile(r"warmup|ramp|hold|step-\d+")


class Timeline:
    """The phases of a closed loop, by seconds since the start of the test."""

    def __init__(self, warmup_s: float, ramp_s: float, duration_s: float) -> None:
        """`warmup_s` is the longest that the warm-up may take; `duration_s` is ramp and hold together.

        A ramp that is longer than `duration_s` is cut off, and there is no hold.
        """
        self._ramp_s, self._duration_s = ramp_s, duration_s
        self.end_warmup(warmup_s)

    def end_warmup(self, at_s: float) -> None:
        """End the warm-up at `at_s`; ramp and hold follow from there."""
        ramp_s = min(self._ramp_s, self._duration_s)
        self._ends = ((at_s, WARMUP), (at_s + ramp_s, RAMP), (at_s + self._duration_s, HOLD))

    def due(self, elapsed_s: float) -> str | None:
        """The phase at `elapsed_s`; None when the test is over."""
        return next((phase for end_s, phase in self._ends if elapsed_s < end_s), None)

    def next_change_s(self, elapsed_s: float) -> float | None:
        """When the phase at `elapsed_s` ends, in seconds since the start; None when the test is over."""
        return next((end_s for end_s, _ in self._ends if elapsed_s < end_s), None)


class PhaseMarks:
    """The phases that have begun, with their times: a request belongs to the one in which it was sent.

    Once `over` is set no user sends any more. Without it a user could wake from its pause while Locust is about to
    end it: its request would be cut off at once and count as a failure of the server.
    """

    def __init__(self) -> None:
        self._marks: list[tuple[int, str]] = []
        self.over = False

    def enter(self, phase: str, at_us: int) -> bool:
        """Begin `phase` at `at_us` (microseconds of the epoch); returns False where it is already the current phase."""
        is_new = self.current != phase
        if is_new:
            self._marks.append((at_us, phase))
        return is_new

    @property
    def current(self) -> str | None:
        """The phase that began last; None before the first."""
        return self._marks[-1][1] if self._marks else None

    def at(self, start_us: int) -> str:
        for began_us, phase in reversed(self._marks):
            if start_us >= began_us:
                return phase
        # The wall clock was set back during the test: the request still followed the first mark.
        return self._marks[0][1]
