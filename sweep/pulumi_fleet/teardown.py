"""Destroys a stack, also one whose update was killed, and lists what is left of it. As tools/take_down does."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from provider.local.server_process import listening_pid
from stacks.settings import Settings
from sweep.fleet import FleetError
from sweep.pulumi_fleet.google import left_in_google_cloud, remove_interrupted
from sweep.pulumi_fleet.stack import SweepStack, has_pending_creations, resources_in

# GKE does not delete a cluster that it is still creating, which takes it ten minutes or so.
_ATTEMPTS, _PAUSE_S = 15, 60.0


def destroy(stack: SweepStack, google: Mapping[str, Any]) -> None:
    """Destroy everything of the stack, and wait where Google Cloud is still creating a part of it.

    `google` is the stack's configuration. Raises FleetError where something may be left.
    """
    state = stack.state()
    if state is None:
        return
    stack.unlock()
    for attempt in range(1, _ATTEMPTS + 1):
        left = remove_interrupted(stack.name, state, google, stack.say)
        if not left and has_pending_creations(state):
            stack.forget_interrupted()
            state = stack.state() or state
        if resources_in(state):
            _destroy(stack, left)
        if not left:
            return
        if attempt < _ATTEMPTS:
            stack.say(f"waiting for Google Cloud: {left[0]}")
            time.sleep(_PAUSE_S)
    raise FleetError(f"the stack {stack.name} is not destroyed: {'; '.join(left)}")


def _destroy(stack: SweepStack, left: list[str]) -> None:
    try:
        stack.destroy()
    except FleetError as error:
        # What is left may use what was to be destroyed.
        if not left:
            raise
        stack.say(str(error))


def left_of(stack: str, settings: Settings, google: Mapping[str, Any], say: Callable[[str], None]) -> list[str]:
    """What is left of a destroyed stack, each with how to remove it; raises FleetError where that is unknown."""
    match settings.platform:
        case "gke":
            return left_in_google_cloud(stack, google, say)
        case "kubernetes":
            # It imports Kubernetes' client, which is large, and other stacks need none.
            from sweep.pulumi_fleet.cluster import left_in_cluster  # noqa: PLC0415 - see above

            return left_in_cluster(stack, settings.kubernetes.context)
    return _left_on_this_machine(settings)


def _left_on_this_machine(settings: Settings) -> list[str]:
    ports = (settings.local.rest_port, settings.local.grpc_port)
    listening = {pid: port for port in ports if (pid := listening_pid(port))}
    return [
        f"process {pid} ({psutil.Process(pid).name()}) listens on port {port}: kill {pid}"
        for pid, port in listening.items()
    ]
