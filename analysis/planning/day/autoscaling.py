"""An autoscaled fleet over a day: Kubernetes' HorizontalPodAutoscaler, one replica a node, and its nodes. Pure.

The autoscaler's rules are those of its documentation and sources with their defaults:

- https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/ (algorithm, tolerance, policies)
- kubernetes/kubernetes, pkg/controller/podautoscaler: replica_calculator.go (pods that are not ready),
  metrics/utilization.go (whole percents), horizontal.go (stabilisation and policies)

Nodes follow the cluster autoscaler: https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md.
"""

import math
from bisect import insort
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.planning.day.traffic import STEP_S

Integers = NDArray[np.int64]

# How many steps before its own the autoscaler reads: the metrics server measures over periods of 15 s as well, which
# end up to 15 s before they are read.
_METRIC_AGE = 2
# In percent of the requested CPU: the most that a pod without a CPU limit can use, if it requests all CPUs of its node.
_ALL_PERCENT = 100.0


@dataclass(frozen=True)
class Hpa:
    """The settings of a HorizontalPodAutoscaler on CPU: `target_percent` is its `averageUtilization`.

    `fewest` is `minReplicas`, and `most` `maxReplicas`. The others are the defaults: the tolerance of the controller,
    the stabilization window for scaling down, and the policies for scaling up, of which the larger one counts: so many
    pods, or so large a share of the pods, in each sync period.
    """

    target_percent: int
    fewest: int = 1
    most: int = 1 << 16
    tolerance: float = 0.1
    stabilisation_s: float = 300
    added_pods: int = 4
    added_share: float = 1.0

    def recommended(self, pods: int, serving: int, cpu_percent: float) -> int:
        """How many replicas the metric asks for; `cpu_percent` is the mean of the `serving` ones of all `pods`."""
        ratio, counted = math.floor(cpu_percent) / self.target_percent, serving
        if ratio > 1 and pods > serving:
            # Pods that do not serve yet count as idle ones, which must not turn a scale-up into a scale-down.
            ratio, counted = math.floor(cpu_percent * serving / pods) / self.target_percent, pods
            if ratio < 1:
                return pods
        return pods if abs(1 - ratio) <= self.tolerance else math.ceil(ratio * counted)

    def scaled(self, pods: int, recommended: int, highest_recent: int) -> int:
        """The next number of replicas.

        `highest_recent` is the highest recommendation of the stabilisation window, this one included.
        """
        most = max(pods + self.added_pods, math.ceil(pods * (1 + self.added_share)))
        wanted = recommended if recommended > pods else min(pods, highest_recent)
        return max(self.fewest, min(wanted, most, self.most))


@dataclass(frozen=True)
class Delays:
    """How long nodes and pods take.

    `start_s`: from the decision until a pod on a new node serves, with node, pod and model load. `pod_start_s`: the
    same on a node that is there. `removal_s`: an empty node is billed so long (`--scale-down-unneeded-time` of the
    cluster autoscaler, whose `--scale-down-delay-after-add` changes nothing: empty nodes are used before any is added).
    """

    start_s: float
    pod_start_s: float
    removal_s: float = 600


@dataclass(frozen=True)
class NodeLoad:
    """What a node carries, and how busy that makes its CPUs.

    `rps` is its certain capacity. `cpu_percent` is its CPU utilisation at this load, in proportion to which it is at
    others, up to `most_percent`.
    """

    rps: float
    cpu_percent: float
    most_percent: float = _ALL_PERCENT

    def cpu_percent_at(self, rps: float) -> float:
        return min(self.most_percent, self.cpu_percent * rps / self.rps)


@dataclass(frozen=True)
class Scaled:
    """In each step of a day: the nodes that serve, and those that are billed."""

    serving: Integers
    billed: Integers


@dataclass
class _Nodes:
    """The nodes of the fleet, by what they do; times are numbers of steps."""

    delays: Delays
    serving: int
    # When each starting pod begins to serve, in order; and since when each empty node is empty, the oldest first.
    starting: list[int] = field(default_factory=list)
    empty: deque[int] = field(default_factory=deque)

    @property
    def pods(self) -> int:
        return self.serving + len(self.starting)

    @property
    def billed(self) -> int:
        return self.pods + len(self.empty)

    def begin(self, step: int) -> None:
        """Pods that have started serve, and nodes that are empty for long enough are removed."""
        while self.starting and self.starting[0] <= step:
            self.serving += 1
            del self.starting[0]
        keeps = self.delays.removal_s / STEP_S
        while self.empty and step - self.empty[0] >= keeps:
            self.empty.popleft()

    def scale_to(self, pods: int, step: int) -> None:
        """New pods go to empty nodes first. Pods that are taken away leave empty nodes; starting ones go first."""
        for _ in range(pods - self.pods):
            if self.empty:
                self.empty.popleft()
                insort(self.starting, step + _steps(self.delays.pod_start_s))
            else:
                insort(self.starting, step + _steps(self.delays.start_s))
        for _ in range(self.pods - pods):
            if self.starting:
                self.starting.pop()
            else:
                self.serving -= 1
            self.empty.append(step)


def scale(hpa: Hpa, delays: Delays, load: NodeLoad, observed_rps: NDArray[np.float64], nodes: int) -> Scaled:
    """The fleet in each step of STEP_S seconds, beginning with so many nodes that serve.

    At the beginning of a step the autoscaler reads the CPU utilisation of a step before, which is that of the load
    `observed_rps`, spread evenly over the nodes that served then.
    """
    fleet = _Nodes(delays, nodes)
    # The controller takes the number of replicas that it finds for its first recommendation.
    recent = deque([nodes], maxlen=max(1, _steps(hpa.stabilisation_s)))
    serving, billed = [nodes], [nodes]
    rates_rps = observed_rps.tolist()
    for step in range(1, len(rates_rps)):
        at, pods = max(0, step - _METRIC_AGE), fleet.pods
        measured = min(serving[at], fleet.serving)
        recent.append(hpa.recommended(pods, measured, load.cpu_percent_at(rates_rps[at] / serving[at])))
        fleet.begin(step)
        wanted = hpa.scaled(pods, recent[-1], max(recent))
        if wanted != pods:
            fleet.scale_to(wanted, step)
        serving.append(fleet.serving)
        billed.append(fleet.billed)
    return Scaled(np.array(serving), np.array(billed))


def _steps(duration_s: float) -> int:
    return math.ceil(duration_s / STEP_S)
