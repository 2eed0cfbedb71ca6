"""What Google Cloud lacks for a stack, as a resource: asked before anything is made, and again when more is needed."""

from typing import ClassVar

from provider.resource import Operation, Props, Resource, ResourceError


class Preflight(Resource):
    """Inputs: those of components.gke.preflight.PreflightArgs. Outputs: the same, without the keys to Google."""

    token: ClassVar[str] = "shapebench:gke:Preflight"  # noqa: S105 - Pulumi's word for a type's name
    triggers: ClassVar[frozenset[str]] = frozenset({"project", "zone", "needs"})

    def create(self, inputs: Props, operation: Operation) -> Props:
        return self._passed(inputs, inputs["needs"], inputs["accounts"], operation)

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:
        moved = any(state.get(place) != inputs.get(place) for place in ("project", "zone"))
        # What the stack has it need not find a second time, its service accounts among it.
        held = [] if moved else state["needs"]
        accounts = inputs["accounts"] if state.get("project") != inputs.get("project") else []
        return self._passed(inputs, _beyond(inputs["needs"], held), accounts, operation)

    def _passed(self, inputs: Props, needs: list[Props], accounts: list[str], operation: Operation) -> Props:
        operation.say(inputs["costs"])
        if inputs["ask"]:
            operation.show("asking Google Cloud whether all is there that the stack needs")
            _ask(inputs, needs, accounts)
        return {name: value for name, value in inputs.items() if name != "google"}


def _beyond(needs: list[Props], held: list[Props]) -> list[Props]:
    from stacks.quota_needs import Need, added  # noqa: PLC0415 - most updates ask nothing

    more = added([Need(**need) for need in needs], [Need(**need) for need in held])
    return [vars(need) for need in more]


def _ask(inputs: Props, needs: list[Props], accounts: list[str]) -> None:
    from google_cloud.access import access_of  # noqa: PLC0415 - most updates ask nothing
    from google_cloud.preflight import Requirements, find_problems, problem_report, skip_command  # noqa: PLC0415
    from google_cloud.rest import CloudError  # noqa: PLC0415
    from stacks.quota_needs import Need  # noqa: PLC0415

    wanted = Requirements(inputs["stack"], inputs["zone"], tuple(Need(**need) for need in needs), tuple(accounts))
    access = access_of(inputs["google"])
    try:
        found = find_problems(wanted, access)
    except CloudError as error:
        raise ResourceError(
            f"nothing was made, because Google Cloud could not be asked what is missing: {error}; try again, or go on"
            f" without asking: {skip_command(wanted.stack)}"
        ) from None
    if found:
        raise ResourceError(problem_report(wanted, access, found))
