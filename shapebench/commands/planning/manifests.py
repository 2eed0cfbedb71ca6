"""`shapebench manifests`: the Kubernetes manifests of the cheapest fleet of a day."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from analysis.formatting import counted
from analysis.objective import Asked
from analysis.report.folders import check_new_folder, new_folder
from shapebench.commands.planning.day import AskedDay, nodes_text, note_unused, read_day, usd_text
from shapebench.output import note, print_code, print_text
from shapebench.production.choice import START_FACTOR, Place, Production, choose
from shapebench.production.objects import DEPLOYMENT, Object, objects_of
from stacks.version import VERSION


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as such."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def write_manifests(uri: str, requested: Asked, requested_day: AskedDay, place: Place, folder: Path) -> None:
    """Write them into a new folder, all or none, and print what they are and how to apply them."""
    place.check()
    check_new_folder(folder)
    production = choose(read_day(uri, requested, requested_day), place)
    files = objects_of(production)
    with new_folder(folder) as half_written:
        for name, objects in files.items():
            text = _text(production, objects, _of_probe(production, objects[-1]) if name == DEPLOYMENT else "")
            (half_written / name).write_text(text, encoding="utf-8")
    print_text(_headline(production, folder, len(files)) + "\n")
    print_text("\n".join(_findings(production)) + "\n")
    for why, command in _next(production, folder):
        print_text(f"Next: {why}")
        print_code(f"    {command}\n")
    for machine_type, why in production.left_out:
        note(f"not in the ComputeClass: {machine_type}: {why}")
    note_unused(production.day)


def _text(production: Production, objects: list[Object], comment: str) -> str:
    objective = production.day.verdict.objective
    head = (
        f"# {production.variant.offer.label} at a {objective.quantile_name} of {objective.latency_ms:g} ms, from run"
        f" {production.run.run_id} of {production.run.finished_at:%Y-%m-%d}. Written by shapebench {VERSION}.\n"
    )
    return head + comment + yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _of_probe(production: Production, deployment: Object) -> str:
    """The comment on how long a pod may take to start, and what that rests on."""
    args, starts_s = production.args, production.starts_s
    probe = deployment["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    allowed_s = probe["periodSeconds"] * probe["failureThreshold"]
    longest = (
        f"{START_FACTOR} times the longest of the {counted(len(starts_s), 'start')} of a pod that were recorded"
        f" ({max(starts_s):.0f} s)"
        if starts_s
        else ""
    )
    if args.load_limit_s == args.least_load_limit_s:
        rests_on = f": {longest}"
    else:
        rests_on = f", as for a model of {args.model.size_bytes / 1e6:.0f} MB that a stack loads; " + (
            f"{longest} is less" if starts_s else "no start of a pod was recorded"
        )
    return f"# The start-up probe allows {allowed_s} s{rests_on}.\n"


def _headline(production: Production, folder: Path, files: int) -> str:
    variant, fleet = production.variant, production.fleet
    return (
        f"{folder} has {counted(files, 'file')}: {variant.offer.label}, {nodes_text(fleet)} of"
        f" {variant.offer.shape.machine_type} ({fleet.kind}). By the forecast they cost"
        f" {usd_text(variant, fleet.usd)} USD a day; nothing was created."
    )


def _findings(production: Production) -> Iterator[str]:
    replicas, machines = production.replicas, production.machines
    if replicas.target_percent is not None:
        yield (
            f"Autoscaler: {replicas.least} to {replicas.most} pods, averageUtilization {replicas.target_percent} of the"
            f" CPU request, which is {production.fleet.target_percent} % of the node. The limit of"
            f" {replicas.most} is twice the most of the day; the bill ends there, too."
        )
    elif production.variant.autoscaled is not None:
        yield "No autoscaler: the fixed fleet is cheaper, or the run does not show how busy the CPU was."
    if machines:
        fallbacks = ", then ".join(shape.machine_type for shape in machines[1:])
        yield (
            f"ComputeClass: {machines[0].machine_type}"
            + (f", then {fallbacks}, in the order of the bills of their own days." if fallbacks else ", and no other.")
            + " GKE creates and removes the nodes."
        )
    else:
        yield "No ComputeClass: the runs are not of GKE, so pods go to whatever nodes have room for one each."


def _next(production: Production, folder: Path) -> Iterator[tuple[str, str]]:
    """What to do, and the command that does it."""
    args = production.args
    if args.namespace != "default":
        yield "create the namespace, if it does not exist.", f"kubectl create namespace {args.namespace}"
    if args.bucket:
        bucket = str(args.model_uri).removeprefix("gs://").partition("/")[0]
        member = (
            "principal://iam.googleapis.com/projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/"
            f"PROJECT_ID.svc.id.goog/subject/ns/{args.namespace}/sa/{args.bucket.service_account}"
        )
        grant = f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --role=roles/storage.objectViewer"
        yield (
            "let the pods read the model: put the number and the id of the cluster's project in.",
            f"{grant} --member={member}",
        )
    yield "create the fleet, from when on it costs money.", f"kubectl apply --server-side -f {folder}"
