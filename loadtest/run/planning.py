"""From what is asked of which server to the generator's plan, the same wherever the generator runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from loadtest.generator.plan import Limits, Plan, Schedule, SearchOrder
from stacks.load_profiles import CapacitySearch, ClosedLoop, LoadProfile, OpenLoop

# What Locust may take on top of the test itself, to start and to end, in seconds.
_SLACK_S = 30.0


@dataclass(frozen=True)
class Asked:
    """`protocol` is that of the stack's serving; `expected_shape` is (images in a request, classes of the model).

    `server_pid` is the server's process, where it runs beside the generator. `processes` is how many ask;
    `pages` are addresses by server's name.
    """

    profile: LoadProfile
    protocol: str
    base_url: str
    model_name: str
    expected_shape: tuple[int, int] = (1, 1000)
    limits: Limits = field(default_factory=Limits)
    server_pid: int | None = None
    processes: int = 1
    pages: Mapping[str, str] = field(default_factory=dict)


def plan_of(asked: Asked, folder: PurePath, parent_pid: int | None) -> Plan:
    """The plan of a generator that finds its body in `folder` and leaves its rows there."""
    profile = asked.profile
    return Plan(
        protocol=asked.protocol,
        base_url=asked.base_url,
        model_name=asked.model_name,
        body_path=str(folder / "request.body"),
        expected_shape=asked.expected_shape,
        warmup_s=profile.warmup_s,
        duration_s=profile.duration_s,
        rows_folder=str(folder),
        parent_pid=parent_pid,
        server_pid=asked.server_pid,
        processes=asked.processes,
        pages=dict(asked.pages),
        limits=asked.limits,
        **_loop_of(profile),
    )


def _loop_of(profile: LoadProfile) -> dict[str, Any]:
    match profile:
        case ClosedLoop():
            return {
                "users": profile.users,
                "spawn_rate_per_s": profile.spawn_rate_per_s,
                "wait_s": profile.wait_s,
                "ramp_s": profile.ramp_s,
            }
        case OpenLoop():
            schedule = Schedule(profile.rate_rps, profile.arrivals, profile.seed)
            return _standing_by(profile.max_in_flight) | {"ramp_s": profile.ramp_s, "schedule": schedule}
        case CapacitySearch():
            order = SearchOrder(
                quantile=profile.quantile,
                latency_s=profile.latency_ms / 1e3,
                error_ratio=profile.error_ratio,
                lowest_rps=profile.lowest_rps,
                highest_rps=profile.highest_rps,
                precision=profile.precision,
            )
            return _standing_by(profile.max_in_flight) | {"ramp_s": 0.0, "search": order}


def _standing_by(users: int) -> dict[str, Any]:
    """They are all there before the first request is due."""
    return {"users": users, "spawn_rate_per_s": float(users), "wait_s": 0.0}


def patience_s(plan: Plan) -> float:
    """How long the whole test may take at most, in seconds: after that the generator hangs."""
    return plan.total_s + plan.limits.response_timeout_s + _SLACK_S
