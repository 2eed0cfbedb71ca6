"""How far a running load test is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The state of a running test. `rps` and response times are of the last seconds; these are None without answers."""

    elapsed_s: float
    total_s: float
    phase: str | None
    users: int
    requests: int
    errors: int
    rps: float
    p50_ms: float | None
    p99_ms: float | None
