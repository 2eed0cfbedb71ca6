"""`shapebench janitor`: what stacks have left behind in Google Cloud, what it costs, and its removal."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, TextIO

from analysis.formatting import MISSING, money
from google_cloud.access import Access, NoCredentialsError, access_of
from google_cloud.day_cost import daily_usd
from google_cloud.interrupted_update import interrupted_names
from google_cloud.inventory import CloudResource, inventory
from google_cloud.kinds import GRANT
from google_cloud.leftovers import Leftover, Why, leftovers
from google_cloud.preflight import LOGIN
from google_cloud.removal import Removal, Remover
from google_cloud.rest import CloudError, GoogleClient
from shapebench.output import CommandError, note, print_json, print_table
from stacks.files import google_keys, load_config, stack_names
from stacks.names import COMMIT, expiry, label_value


class Ending(IntEnum):
    """The command's exit code."""

    clean = 0
    """Nothing is left over, or all of it was removed."""
    found = 3
    """Something is left over."""
    not_all_removed = 4
    """Something could not be removed."""


@dataclass(frozen=True)
class Only:
    """What to look at: a stack, a region; None for all."""

    stack: str | None
    region: str | None

    def admits(self, leftover: Leftover) -> bool:
        of_stack = self.stack is None or leftover.resource.stack == label_value(self.stack)
        place = leftover.resource.location
        return of_stack and (self.region is None or place == self.region or place.rpartition("-")[0] == self.region)


def janitor(only: Only, project: str | None, state: TextIO | None, *, remove: bool, as_json: bool) -> Ending:
    """List what is left over, and remove it if that is wanted; raises CommandError where it cannot be looked for.

    With a stack's `state`, only what a killed update was making, as that state says; where it says nothing, nobody is
    asked.
    """
    interrupted = _interrupted(only.stack, state)
    if state is not None and not interrupted:
        note(f"no update of stack {only.stack} was killed while Google made something for it.")
        return Ending.clean
    access = _access(only.stack, project)
    google, project = _connect(access)
    left = _left_in(google, project, interrupted)
    found = [each for each in left if only.admits(each) and (state is None or each.why is Why.interrupted)]
    outcomes: dict[Leftover, Removal] = {}
    if remove:
        for done in Remover(google, note).remove(each for each in found if each.removable):
            outcomes[done.leftover] = done
            if done.failure is not None:
                note(f"not removed: {done.leftover.resource.kind.name} {done.leftover.resource.name}: {done.failure}")
    if as_json:
        print_json([_json(each, outcomes.get(each)) for each in found])
    else:
        _print(found, outcomes, project)
    return _ending(found, outcomes)


def _interrupted(stack: str | None, state: TextIO | None) -> Collection[str]:
    if state is None:
        return ()
    if stack is None:
        raise CommandError("--state is of one stack; give --stack, too, so that nothing of another is taken for its")
    return interrupted_names(state.read(), stack)


def _access(stack: str | None, project: str | None) -> Access:
    config = load_config(stack) if stack is not None and stack in stack_names() else {}
    return access_of(google_keys(config), project)


def _connect(access: Access) -> tuple[GoogleClient, str]:
    if access.project is None:
        raise CommandError("no project is set, so it is open where to look; give --project, or GOOGLE_PROJECT")
    try:
        return GoogleClient(access), access.project
    except NoCredentialsError as error:
        raise CommandError(f"no Google credentials were found ({error}); run `{LOGIN}`") from None


def _left_in(google: GoogleClient, project: str, interrupted: Collection[str]) -> list[Leftover]:
    try:
        listed = inventory(google, project, note)
    except CloudError as error:
        raise CommandError(
            f"what there is in project {project} could not be listed, so nothing was removed: {error}"
        ) from None
    if listed.unlisted:
        note(f"no answer from {', '.join(listed.unlisted)}: what is there is not listed.")
    return leftovers(listed, datetime.now(UTC), interrupted)


def _print(found: Sequence[Leftover], outcomes: dict[Leftover, Removal], project: str) -> None:
    if not found:
        note(f"nothing of a shapebench stack is left over in project {project}.")
        return
    columns = ("what", "name", "where", "stack", "why", "lease ended", "state", "USD/24 h")
    print_table(columns, [_row(each, outcomes.get(each)) for each in found], words=7)
    left = [each for each in found if not _is_gone(outcomes.get(each))]
    known = [usd for each in left if (usd := daily_usd(each.resource)) is not None]
    unknown = len(left) - len(known)
    if left:
        note(
            f"\nWhat is left costs {money(sum(known))} USD a day{f', and {unknown} of unknown price' * bool(unknown)}."
        )
    if not outcomes and any(each.removable for each in found):
        note("Nothing was removed. `pulumi destroy` of a stack that still has its state removes it best;")
        note(f"shapebench janitor --project {project} --yes removes the rest, and asks nothing more.")
    for each in (each.resource for each in found if not each.removable):
        note(f"{each.name} carries no label of ours; if nobody needs it: {_command(each, project)}")


def _command(found: CloudResource, project: str) -> str:
    """What removes by hand that which carries no label."""
    if found.kind == GRANT:
        member = f"--member='{found.name}' --role={found.location} --all"
        return f"gcloud projects remove-iam-policy-binding {project} {member}"
    return f"gcloud compute disks delete {found.name} --zone {found.location} --project {project}"


def _row(leftover: Leftover, outcome: Removal | None) -> tuple[str, ...]:
    found, usd = leftover.resource, daily_usd(leftover.resource)
    state = "left" if outcome is None else "removed" if outcome.failure is None else "not removed"
    return (
        found.kind.name,
        found.name,
        found.location,
        found.stack or MISSING,
        leftover.why,
        expiry(found.labels) or MISSING,
        state,
        MISSING if usd is None else money(usd),
    )


def _json(leftover: Leftover, outcome: Removal | None) -> dict[str, Any]:
    found = leftover.resource
    return {
        "kind": found.kind.name,
        "name": found.name,
        "location": found.location,
        "stack": found.stack or None,
        "commit": found.labels.get(COMMIT),
        "expires_at": expiry(found.labels),
        "made_at": found.created_at.isoformat() if found.created_at else None,
        "why": leftover.why.value,
        "removable": leftover.removable,
        "usd_a_day": daily_usd(found),
        "removed": _is_gone(outcome),
        "failure": outcome.failure if outcome else None,
    }


def _is_gone(outcome: Removal | None) -> bool:
    return outcome is not None and outcome.failure is None


def _ending(found: Sequence[Leftover], outcomes: dict[Leftover, Removal]) -> Ending:
    if any(outcome.failure is not None for outcome in outcomes.values()):
        return Ending.not_all_removed
    return Ending.found if any(each not in outcomes for each in found) else Ending.clean
