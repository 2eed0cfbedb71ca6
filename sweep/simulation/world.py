"""The parameters of a simulated cloud: true capacities, prices, durations, spreads and failures. All made up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sweep.lengths import LOG_SD
from sweep.tasks import Length


@dataclass(frozen=True)
class SimulatedPool:
    """What the nodes of a stack get their CPU models from: the share of each, and the logarithm of its speed.

    `sd` is between nodes of one model.
    """

    name: str
    shares: Mapping[str, float]
    log_speeds: Mapping[str, float]
    sd: float = 0.03


@dataclass(frozen=True)
class SimulatedStack:
    """Prices in USD per hour, of serving alone and of all that is up; mean durations without the load test in s.

    Its nodes get their CPU models from `pool`, others in each block with `fresh_nodes`. It serves as its slowest does.
    """

    usd_hourly: float
    billed_usd_hourly: float
    create_s: float = 600
    update_s: float = 120
    destroy_s: float = 300
    nodes: int = 1
    pool: SimulatedPool | None = None
    fresh_nodes: bool = False


@dataclass(frozen=True)
class RunKind:
    """A capacity search: its standard error of the log capacity, and how long it takes, as a share of its limit."""

    log_error: float
    of_limit: float = 1


@dataclass(frozen=True)
class Spread:
    """Standard deviations of logarithms: of the capacity between deployments, and of each duration."""

    deployments: float = 0.03
    durations: float = 0.2
    runs: Mapping[Length, RunKind] = field(
        default_factory=lambda: {length: RunKind(log_sd) for length, log_sd in LOG_SD.items()}
    )


@dataclass(frozen=True)
class Faults:
    """Shares of tasks that fail, and when Google's APIs cannot be reached: from when to when, in s."""

    create: float = 0
    run: float = 0
    destroy: float = 0
    outages: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class World:
    """A fleet's truth. `capacity_rps` is by the candidate's key, on nodes of the speed 1.

    Below the search's lowest rate it finds a bound only.

    `quota` is how many stacks there is room for at once; None for any number.
    """

    stacks: Mapping[str, SimulatedStack]
    capacity_rps: Mapping[str, float]
    spread: Spread = Spread()
    faults: Faults = Faults()
    quota: int | None = None
    seed: int = 1
