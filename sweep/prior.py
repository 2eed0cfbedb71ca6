"""What is known of the cost of stacks before they are measured: from public benchmarks of their CPUs, and prices.

A benchmark is of another model: the speeds of two CPUs may be far from its ratio, while those of machines with the same
CPU are near to it. So one stack that is measured says much of some others and little of the rest.
"""

import math
from collections.abc import Mapping
from typing import Self

from analysis.estimate.ranking import Candidate
from analysis.estimate.speeds import newest_speeds
from stacks.frozen import Frozen
from stacks.machines.shapes import NodeShape

# How far nodes of another size are from serving as much a core, as a standard deviation of the logarithm. An
# assumption: the public benchmark scatters by as much between the sizes of one series.
_SIZE_SD = 0.05
# How far the candidates of one stack differ from each other, likewise. An assumption.
VARIANT_SD = 0.15


class StackPrior(Frozen):
    """The logarithm of what a prediction costs on a stack, in a unit of its own that is the same for all stacks.

    `parts` are what it may be wrong by: standard deviations, by name. Stacks that share a part are wrong alike.
    """

    log_cost: float
    parts: Mapping[str, float]

    @property
    def least_known(self) -> str:
        """The part that is largest, such as that of its CPUs."""
        return max(self.parts, key=lambda name: self.parts[name])

    def with_part(self, name: str, sd: float) -> Self:
        """The same with another part."""
        return self.model_copy(update={"parts": {**self.parts, name: sd}})


def priors_of(priced: Mapping[str, tuple[NodeShape, float]]) -> dict[str, StackPrior]:
    """By stack, from its shape and hourly price in USD. It lacks stacks of whose CPUs one has no public result."""
    speeds = newest_speeds()
    found = {}
    for stack, (shape, usd_hourly) in priced.items():
        if speed := speeds.of_series(shape.series):
            # Where a series has several CPUs, two stacks may get different ones, so they have less in common.
            same_cpu_sd = speeds.carry_over / math.sqrt(len(speed.cpus))
            own_cpu_sd = math.sqrt(speed.cpu_sd**2 - same_cpu_sd**2)
            parts = {
                f"CPU {' or '.join(speed.cpus)}": same_cpu_sd,
                f"series {speed.series}": speed.predicted_sd,
                f"nodes of {shape.cores} cores": _SIZE_SD,
                f"stack {stack}": math.hypot(speeds.fit.scatter, own_cpu_sd),
            }
            work = Candidate(shape, usd_hourly, speed).work
            found[stack] = StackPrior(log_cost=math.log(usd_hourly) - work, parts=parts)
    return found


def by_promise(priors: Mapping[str, StackPrior]) -> list[str]:
    """The stacks in the order to measure them in: the cheapest of each CPU, of which one says most, then the others."""
    by_cost = sorted(priors, key=lambda stack: (priors[stack].log_cost, stack))
    firsts = {priors[stack].least_known: stack for stack in reversed(by_cost)}
    return sorted(by_cost, key=lambda stack: stack not in firsts.values())
