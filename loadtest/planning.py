"""From what is asked of which server to the generator's plan, the same wherever the generator runs."""

from dataclasses import dataclass, field
from pathlib import PurePath

from loadtest.outcome import WORKER
from loadtest.plan import Limits, Plan
from stacks.load_profiles import LoadProfile

# What Locust may take on top of the test itself, to start and to end, in seconds.
_SLACK_S = 30.0


@dataclass(frozen=True)
class Asked:
    """`protocol` is that of the stack's serving; `expected_shape` is (images in a request, classes of the model)."""

    profile: LoadProfile
    protocol: str
    base_url: str
    model_name: str
    expected_shape: tuple[int, int] = (1, 1000)
    limits: Limits = field(default_factory=Limits)


def plan_of(asked: Asked, folder: PurePath, parent_pid: int | None) -> Plan:
    """The plan of a generator that finds its body in `folder` and leaves its rows there."""
    profile = asked.profile
    return Plan(
        protocol=asked.protocol,
        base_url=asked.base_url,
        model_name=asked.model_name,
        body_path=str(folder / "request.body"),
        expected_shape=asked.expected_shape,
        users=profile.users,
        spawn_rate_per_s=profile.spawn_rate_per_s,
        wait_s=profile.wait_s,
        warmup_s=profile.warmup_s,
        ramp_s=profile.ramp_s,
        duration_s=profile.duration_s,
        spool_path=str(folder / f"{WORKER}.csv"),
        parent_pid=parent_pid,
        limits=asked.limits,
    )


def patience_s(plan: Plan) -> float:
    """How long the whole test may take at most, in seconds: after that the generator hangs."""
    return plan.total_s + plan.limits.response_timeout_s + _SLACK_S
