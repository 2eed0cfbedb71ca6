"""`shapebench:autoscaler`: a HorizontalPodAutoscaler changes the number of servers while a curve is played."""

from math import floor
from typing import Annotated

from pydantic import Field

from stacks.frozen import Frozen


class AutoscalerSettings(Frozen):
    """The autoscaler of a stack whose load follows a curve; its most pods are the stack's nodes."""

    target_percent: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="The CPU utilisation that it keeps, in percent of all vCPUs of a node. Give the CPU target of"
            " `shapebench day`, such as 60.",
        ),
    ]
    fewest: Annotated[
        int, Field(ge=1, description="The fewest pods. 0 would serve nothing. Give 1, or one in each zone.")
    ] = 1
    stabilization_s: Annotated[
        int,
        Field(
            ge=0,
            le=3600,
            description="How long it waits before it takes pods away, in s. Give 300, Kubernetes' default.",
        ),
    ] = 300


class Autoscaler(AutoscalerSettings):
    """The same with the CPU request of a pod, in thousandths of a vCPU, of which Kubernetes' own target is a share."""

    request_millis: Annotated[int, Field(ge=1)]

    def utilization(self, vcpus: int) -> int:
        """The `averageUtilization` on nodes with so many vCPUs."""
        return percent_of_request(self.target_percent, vcpus, self.request_millis)


def percent_of_request(target_percent: int, vcpus: int, request_millis: int) -> int:
    """The `averageUtilization`, of what a pod requests, for a target that is of all vCPUs of its node."""
    return max(1, floor(target_percent * 1000 * vcpus / request_millis))
