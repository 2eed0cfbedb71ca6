"""What of a forecast day goes into production: the cheapest fleet, and the machine types that may stand in for it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.planning.day.costs import Day, FleetDay, VariantDay
from analysis.planning.day.start_up import recorded_starts_s
from analysis.results.schema.manifest import Manifest
from components.serving.variant import BucketAccess, ClusterAccess, TfServingArgs
from shapebench.output import CommandError
from stacks.allocatable import PodResources, ShapeTooSmallError, pod_resources
from stacks.files import load_settings
from stacks.machines.autoscaler import percent_of_request
from stacks.machines.shapes import NodeShape
from stacks.server.image_server import ImageServerSettings
from stacks.server.models import DEFAULT_SIGNATURE, RESNET50, Model
from stacks.server.protocols import PLAIN_GENERATOR_IMAGE
from stacks.server.request_threads import RequestThreads
from stacks.server.servers import ALL_SERVERS

_LABEL = "app.kubernetes.io"
_MODEL = re.compile(r"(?:gs://[^/\s]+)?/\S+")
# A DNS label, with room for what Kubernetes puts after it in the names of pods.
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?")
# https://cloud.google.com/kubernetes-engine/docs/how-to/node-attributes-compute-classes, "Limitations".
_RESERVED = ("gke", "autopilot")
# A start that is slower than any that was measured, such as from a busy bucket, must not end in a restart. It is
# counted from the choice of the node, and the probe's time only from the start of the container.
START_FACTOR = 3
# Twice the day's traffic is served, and the bill has an end.
_ROOM = 2


@dataclass(frozen=True)
class Place:
    """Where the fleet is to run, and the folder above the model's versions.

    `name` is that of all objects; None for the model's.
    """

    name: str | None
    namespace: str
    model_uri: str

    def check(self) -> None:
        """Raise CommandError that names the option that is wrong."""
        if not _MODEL.fullmatch(self.model_uri):
            raise CommandError(
                f"--model is '{self.model_uri}', which is neither in a bucket nor a path in the server's image; give"
                " the folder above the model's versions, such as gs://bucket/models/resnet or /models/resnet"
            )
        for option, given in (("--name", self.name), ("--namespace", self.namespace)):
            if given is not None and not _NAME.fullmatch(given):
                raise CommandError(
                    f"{option} is '{given}'; give up to 40 lower-case letters, digits and dashes, beginning with a"
                    " letter"
                )
        if self.name and self.name.startswith(_RESERVED):
            raise CommandError(
                f"--name is '{self.name}', but GKE keeps names that begin with {' or '.join(_RESERVED)} for itself"
            )


@dataclass(frozen=True)
class Replicas:
    """How many pods, one a node. `target_percent` is the autoscaler's, of a pod's CPU request; None for a fixed number.

    With it, `least` and `most` are the autoscaler's limits; without, they are equal.
    """

    least: int
    most: int
    target_percent: int | None = None


@dataclass(frozen=True)
class Production:
    """A fleet, with what its pods are made from.

    `machines` are the shapes that nodes may have, the cheapest day first; none outside of GKE, where whoever owns the
    nodes chooses them. `left_out` are the machine types of other variants, each with the reason why not.
    `starts_s` are the starts of the variant's pods that its runs recorded, which the start-up probe rests on.
    """

    day: Day
    variant: VariantDay
    fleet: FleetDay
    name: str
    args: TfServingArgs
    starts_s: tuple[float, ...]
    replicas: Replicas
    machines: tuple[NodeShape, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the pods, and of no others in the namespace."""
        return {f"{_LABEL}/name": "model-server", f"{_LABEL}/instance": self.name}

    @property
    def run(self) -> Manifest:
        """The newest run of the variant."""
        return self.variant.offer.ranked.variant.newest


def choose(day: Day, place: Place) -> Production:
    """The cheapest fleet of the day. Raises CommandError where its runs do not say how to deploy it."""
    variant = day.variants[0]
    run = variant.offer.ranked.variant.newest
    if day.verdict.is_rehearsal:
        raise CommandError(
            "the runs are of the stack local, a rehearsal on one machine: they do not say what a node of a cluster"
            " carries; measure a stack on GKE or in your cluster first (docs/gke-quick-start.md)"
        )
    if run.serving.is_service:
        raise CommandError(
            f"{run.stack} is a service that something else deploys, so its runs do not say how; change its own"
            " deployment to what `shapebench day` says"
        )
    name = place.name or _name_of(run.serving.model.name)
    starts_s = recorded_starts_s(variant.offer.ranked.variant.manifests)
    args = _serving_args(run, int(variant.offer.uploaded_bytes), max(starts_s, default=0), name, place)
    pod = args.pod
    assert pod is not None  # a run with seedFaithful is refused
    fleet = next(fleet for fleet in variant.fleets if variant.cpu_percent or fleet.target_percent is None)
    # The runs that are ranked together are all of one platform.
    machines, left_out = _machines(day.variants, pod, args.model) if run.platform == "gke" else ((), ())
    replicas = _replicas(day, fleet, run.shape, pod)
    return Production(day, variant, fleet, name, args, starts_s, replicas, machines, left_out)


def _name_of(model_name: str) -> str:
    """The model's name, as the names of Kubernetes' objects may be."""
    plain = re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-")[:33].strip("-")
    return plain if _NAME.fullmatch(plain) and not plain.startswith(_RESERVED) else f"model-{plain}".strip("-")


def _serving_args(run: Manifest, model_bytes: int, longest_start_s: float, name: str, place: Place) -> TfServingArgs:
    serving = run.serving
    if serving.image is None or serving.seed_faithful:
        how = "with seedFaithful" if serving.seed_faithful else "without a container image"
        raise CommandError(
            f"run {run.run_id} of {run.stack} was deployed {how}, so it does not say how a pod is to be sized; measure"
            " the stack without that setting"
        )
    threads = RequestThreads.of(serving.batching, run.shape.vcpus, 0)
    return TfServingArgs(
        namespace=place.namespace,
        image=serving.image,
        own_server=_own_server(run),
        shape=run.shape,
        replicas=serving.replicas,
        model_uri=place.model_uri.rstrip("/"),
        model=Model(
            name=serving.model.name,
            title=serving.model.name,
            signature=DEFAULT_SIGNATURE,
            inputs=(),
            outputs=(),
            payload="generated",
            files=(),
            # One that was read in place has no size in the run's cost.
            size_bytes=max(model_bytes, RESNET50.size_bytes),
        ),
        model_digest=serving.model.digest,
        variant=serving,
        threads=RequestThreads(serving.grpc_threads or threads.grpc, serving.rest_threads or threads.rest),
        access=ClusterAccess(),
        # In tens of seconds: whole periods of the probe.
        least_load_limit_s=10 * math.ceil(START_FACTOR * longest_start_s / 10),
        bucket=BucketAccess(PLAIN_GENERATOR_IMAGE, service_account=name) if "://" in place.model_uri else None,
    )


def _own_server(run: Manifest) -> ImageServerSettings | None:
    """What a stack file says of a server that is none of this project's: a run has its arguments, but not its ports."""
    serving = run.serving
    if serving.server in {server.name for server in ALL_SERVERS}:
        return None
    settings = load_settings(run.stack).server
    if settings is None or (settings.image, settings.args) != (serving.image, serving.server_args):
        raise CommandError(
            f"run {run.run_id} was of {serving.image}, and shapebench:server of stack {run.stack} does not describe"
            " this image with these arguments any more, so its ports are not known; set it as it was"
        )
    return settings


def _replicas(day: Day, fleet: FleetDay, shape: NodeShape, pod: PodResources) -> Replicas:
    if fleet.target_percent is None:
        return Replicas(fleet.most, fleet.most)
    target_percent = percent_of_request(fleet.target_percent, shape.vcpus, pod.cpu_millis)
    return Replicas(day.autoscaling.fewest, _ROOM * fleet.most, target_percent)


def _machines(
    variants: Sequence[VariantDay], pod: PodResources, model: Model
) -> tuple[tuple[NodeShape, ...], tuple[tuple[str, str], ...]]:
    shapes: dict[str, NodeShape] = {}
    for variant in variants:
        shapes.setdefault(variant.offer.shape.machine_type, variant.offer.shape)
    why = f"its nodes have no room for a pod of {pod.cpu_millis} m CPU and {pod.memory_mib} MiB"
    machines = tuple(shape for shape in shapes.values() if _holds(shape, pod, model))
    return machines, tuple((name, why) for name, shape in shapes.items() if shape not in machines)


def _holds(shape: NodeShape, pod: PodResources, model: Model) -> bool:
    try:
        room = pod_resources(shape, model)
    except ShapeTooSmallError:
        return False
    return room.cpu_millis >= pod.cpu_millis and room.memory_mib >= pod.memory_mib
