"""The preflight of a GKE stack: checks quotas, APIs and permissions before anything is created."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter

from provider.resource import Operation, Props, Resource, ResourceError, ResourceInputs, ResourceState
from stacks.machines.quota_needs import Need, added

# From the engine they come as mappings.
_Needs = Sequence[Annotated[Need, BeforeValidator(TypeAdapter(Need).validate_python)]]


class PreflightInputs(ResourceInputs):
    """components.gke.preflight.PreflightArgs, as the engine sends it."""

    stack: str
    zone: str
    project: str | None = None
    google: Annotated[Mapping[str, str], Field(repr=False)]
    needs: _Needs
    accounts: Sequence[str]
    costs: str
    # Not in the state of an earlier version.
    model_bucket: str | None = None
    ask: bool


class PreflightState(ResourceState):
    """What the stack has already."""

    zone: str
    project: str | None = None
    needs: _Needs


class Preflight(Resource[PreflightInputs, PreflightState]):
    """Outputs: projectNumber, with a model's bucket. A change of the needs or the place is checked before the rest."""

    token: ClassVar[str] = "shapebench:gke:Preflight"  # noqa: S105 - Pulumi's name for a type
    inputs = PreflightInputs
    state = PreflightState
    triggers: ClassVar[frozenset[str]] = frozenset({"modelBucket", "project", "zone", "needs"})
    secrets: ClassVar[frozenset[str]] = frozenset({"google"})

    def run_create(self, inputs: PreflightInputs, operation: Operation) -> Props:
        return _check(inputs, inputs.needs, inputs.accounts, operation)

    def run_update(self, state: PreflightState, inputs: PreflightInputs, operation: Operation) -> Props:
        # What the stack has already, service accounts included, need not be available a second time.
        same_project = state.project == inputs.project
        needs = added(inputs.needs, state.needs) if same_project and state.zone == inputs.zone else inputs.needs
        return _check(inputs, needs, [] if same_project else inputs.accounts, operation)


def _check(inputs: PreflightInputs, needs: Sequence[Need], accounts: Sequence[str], operation: Operation) -> Props:
    operation.info(inputs.costs)
    from google_cloud.access import NoCredentialsError, access_of  # noqa: PLC0415 - most updates check nothing
    from google_cloud.preflight import (  # noqa: PLC0415
        Requirements,
        find_problems,
        identity_problems,
        problem_report,
        project_number,
        skip_command,
    )
    from google_cloud.rest import CloudError  # noqa: PLC0415

    wanted = Requirements(inputs.stack, inputs.zone, tuple(needs), tuple(accounts), inputs.model_bucket)
    access = access_of(inputs.google)
    try:
        if inputs.ask:
            operation.status("checking Google Cloud's quotas, APIs and permissions")
            found = find_problems(wanted, access, operation.info)
        else:
            # Who deploys is known without asking Google, and wrong whatever the settings of the check are.
            found = identity_problems(access)
        number = project_number(access) if inputs.model_bucket and not found else None
    except (CloudError, NoCredentialsError) as error:
        raise ResourceError(
            f"the check of quotas, APIs and permissions could not be completed, so nothing was created: {error}; try"
            f" again, or skip the check: {skip_command(wanted.stack)}"
        ) from None
    if found:
        raise ResourceError(problem_report(wanted, access, found))
    return {"projectNumber": number} if number else {}
