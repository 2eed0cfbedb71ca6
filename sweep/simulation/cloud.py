"""A simulated cloud and results store. They outlive the simulated process of a sweep, as real ones do."""

import math
import random
from dataclasses import dataclass, field

from analysis.interval import Interval
from analysis.statistics.estimate import Z
from sweep.fleet import FleetError, QuotaError
from sweep.lengths import load_of
from sweep.simulation.world import Faults, World
from sweep.tasks import DrawnCpus, Measure, Measured

# Timers of an event loop may be early by a rounding error.
_TICK_S = 1e-6


@dataclass(frozen=True)
class Operation:
    """An update of a stack. `phases` are its parts with the time at which each ends, in s; `error` is how it fails."""

    task: Measure
    phases: tuple[tuple[str, float], ...]
    error: FleetError | None

    @property
    def ends_s(self) -> float:
        return self.phases[-1][1]


@dataclass
class Cloud:
    """The state of a world. Times are absolute, in s; an operation ends by itself once its time has come."""

    world: World
    faults: Faults = field(init=False)
    up_since_s: dict[str, float] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    runs: list[tuple[str, int, Measured]] = field(default_factory=list)
    usd: float = 0
    _drawn: int = 0

    def __post_init__(self) -> None:
        self.faults = self.world.faults
        self._random = random.Random(f"{self.world.seed} failures and durations")  # noqa: S311 - no secret

    def reach(self, now_s: float) -> None:
        """Raise FleetError during an outage."""
        if any(begin_s <= now_s < end_s for begin_s, end_s in self.faults.outages):
            raise FleetError("simulated: Google's API cannot be reached")

    def begin(self, task: Measure, now_s: float) -> Operation:
        """Begin an update; raises QuotaError where there is no room for its stack."""
        self.reach(now_s)
        self.settle(now_s)
        assert task.stack not in self.operations, f"{task.stack} has two updates at once"
        stack, phases, at_s, error = self.world.stacks[task.stack], [], now_s, None
        if task.stack in self.up_since_s:
            at_s += self._lasts_s(stack.update_s)
            phases.append(("updating", at_s))
        else:
            if self.world.quota is not None and len(self.up_since_s) >= self.world.quota:
                raise QuotaError(f"simulated: no quota for {task.stack}: {len(self.up_since_s)} stacks are up")
            self.up_since_s[task.stack] = now_s
            at_s += self._lasts_s(stack.create_s)
            phases.append(("creating", at_s))
            error = self._fails(self.faults.create, "the cluster was not created")
        if not error:
            kind = self.world.spread.runs[task.length]
            phases.append(("measuring", at_s + kind.of_limit * load_of(task).total_s))
            error = self._fails(self.faults.run, "the run is invalid")
        self.operations[task.stack] = Operation(task, tuple(phases), error)
        return self.operations[task.stack]

    def settle(self, now_s: float) -> None:
        """End the operations whose time has come; those without an error leave a run in the results store."""
        for stack, operation in list(self.operations.items()):
            if operation.ends_s <= now_s + _TICK_S:
                del self.operations[stack]
                if not operation.error:
                    self._store(operation.task)

    def run(self, task: Measure) -> Measured | None:
        """The stored run of a candidate in a block."""
        wanted = (task.candidate.key, task.block)
        found = [run for key, block, run in self.runs if (key, block) == wanted]
        return found[-1] if found else None

    def abandon(self, stack: str) -> None:
        """Cut off the update of a stack, if it has one. What it made stays."""
        self.operations.pop(stack, None)

    def destroy_s(self, stack: str) -> tuple[float, FleetError | None]:
        """How long the next destruction of a stack takes, and how it fails."""
        if stack not in self.up_since_s:
            return 5, None
        lasts_s = self._lasts_s(self.world.stacks[stack].destroy_s)
        return lasts_s, self._fails(self.faults.destroy, "the cluster was not deleted")

    def remove(self, stack: str, now_s: float) -> None:
        """Take a stack down."""
        if (since_s := self.up_since_s.pop(stack, None)) is not None:
            self.usd += self.world.stacks[stack].billed_usd_hourly * (now_s - since_s) / 3600

    def _lasts_s(self, mean_s: float) -> float:
        sd = self.world.spread.durations
        return mean_s * math.exp(self._random.gauss(-(sd**2) / 2, sd))

    def _fails(self, share: float, why: str) -> FleetError | None:
        return FleetError(f"simulated: {why}") if self._random.random() < share else None

    def _store(self, task: Measure) -> None:
        self._drawn += 1
        key, spread, load = task.candidate.key, self.world.spread, load_of(task)
        draw = random.Random(f"{self.world.seed} {key} {task.block} {task.length}")  # noqa: S311 - no secret
        log_error, run_id = spread.runs[task.length].log_error, f"simulated-{self._drawn}"
        log_rps = math.log(self.world.capacity_rps[key]) + draw.gauss(0, spread.deployments) + draw.gauss(0, log_error)
        slowest, drawn = self._nodes(task)
        log_rps += slowest
        half = Z * log_error
        rps: Interval[float | None] = Interval(*(math.exp(log_rps + far) for far in (0, -half, half)))
        if log_rps < math.log(load.lowest_rps):
            rps = Interval(None, high=load.lowest_rps)
        elif log_rps > math.log(load.highest_rps):
            rps = Interval(None, low=load.highest_rps)
        self.runs.append((key, task.block, Measured(run_id, rps, drawn=drawn)))

    def _nodes(self, task: Measure) -> tuple[float, DrawnCpus | None]:
        """The logarithm of the speed of the slowest node, and the CPU models of all."""
        stack = self.world.stacks[task.stack]
        if not stack.pool:
            return 0.0, None
        block = task.block if stack.fresh_nodes else 0
        draw = random.Random(f"{self.world.seed} nodes of {task.stack} {block}")  # noqa: S311 - no secret
        cpus = draw.choices(list(stack.pool.shares), list(stack.pool.shares.values()), k=stack.nodes)
        slowest = min(stack.pool.log_speeds[cpu] + draw.gauss(0, stack.pool.sd) for cpu in cpus)
        named = tuple((f"{task.stack}-{block}-{number}", cpu) for number, cpu in enumerate(cpus))
        return slowest, DrawnCpus(stack.pool.name, len(stack.pool.shares), named)
