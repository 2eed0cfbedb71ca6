"""A HorizontalPodAutoscaler on CPU: that of a stack, and that of a fleet in production."""

import pulumi
from pulumi_kubernetes.autoscaling import v2


def autoscaler_spec(
    deployment: pulumi.Input[str], limits: tuple[int, int], utilization: int, stabilization_s: int | None = None
) -> v2.HorizontalPodAutoscalerSpecArgs:
    """With Kubernetes' defaults for all else, as the forecast has it: analysis.planning.day.autoscaling.

    `limits` are the fewest and the most pods, and `utilization` the `averageUtilization`.
    """
    target = v2.MetricTargetArgs(type="Utilization", average_utilization=utilization)
    return v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=v2.CrossVersionObjectReferenceArgs(api_version="apps/v1", kind="Deployment", name=deployment),
        min_replicas=limits[0],
        max_replicas=limits[1],
        metrics=[v2.MetricSpecArgs(type="Resource", resource=v2.ResourceMetricSourceArgs(name="cpu", target=target))],
        behavior=None
        if stabilization_s is None
        else v2.HorizontalPodAutoscalerBehaviorArgs(
            scale_down=v2.HPAScalingRulesArgs(stabilization_window_seconds=stabilization_s)
        ),
    )
