"""`shapebench preflight`: checks quotas, APIs and permissions of a GKE stack before anything is created."""

from analysis.pricing.stack_cost import hourly_sentence, kept_cost, load_cost
from google_cloud.access import access_of
from google_cloud.preflight import Requirements, beyond_running_cluster, find_problems, problem_report
from google_cloud.rest import CloudError
from loadtest.run.saved_model import served_files
from shapebench.output import CommandError, note
from stacks.files import google_keys, load_config, load_settings, zone_of
from stacks.machines.quota_needs import needs
from stacks.names import account_names
from tools.pins import ROOT


def preflight(stack: str, project: str | None) -> None:
    """Print that the checks pass, and the stack's cost; raises CommandError that names all that is missing."""
    config, settings = load_config(stack), load_settings(stack)
    if settings.platform != "gke":
        raise CommandError(
            f"stack {stack} is on the platform {settings.platform}, so there is nothing to check in Google Cloud;"
            " `shapebench doctor` checks this machine"
        )
    shape, load = settings.node_shape(stack), settings.load_shape
    model = served_files(settings.model, ROOT)
    wanted = Requirements(
        stack, zone_of(config, settings), needs(shape, load), tuple(account_names(stack)), model.bucket
    )
    access = access_of(google_keys(config), project)
    lacking = beyond_running_cluster(wanted, access)
    if lacking != wanted:
        note(f"stack {stack} exists already, so only what it still needs is checked.")
    try:
        found = find_problems(lacking, access, note)
    except CloudError as error:
        raise CommandError(f"Google Cloud could not be checked: {error}; try again") from None
    if found:
        raise CommandError(problem_report(lacking, access, found))
    serving = kept_cost(settings.platform, shape, settings.region, model.uploaded_bytes)
    test = load_cost(load, settings.region)
    note(f"nothing is missing for stack {stack} in project {access.project}, zone {wanted.zone}.")
    note(f"From `pulumi up` {hourly_sentence(serving, test)}.")
