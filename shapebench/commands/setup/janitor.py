"""`shapebench janitor`: lists what stacks left behind in Google Cloud, with its cost, and removes it."""

import shlex
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, TextIO

from analysis.formatting import MISSING, money
from analysis.report.tables import Table
from google_cloud.access import NoCredentialsError, access_of
from google_cloud.auth_plugin import LOGIN
from google_cloud.day_cost import daily_usd
from google_cloud.interrupted_update import interrupted_names
from google_cloud.inventory import inventory, is_within
from google_cloud.leftovers import Leftover, Why, leftovers
from google_cloud.removal import Remover
from google_cloud.rest import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, CloudError, GoogleClient
from shapebench.output import CommandError, note, print_json, print_table
from stacks.files import google_keys, load_config, stack_names
from stacks.names import COMMIT, expiry, label_value

# Why a leftover was not removed, None where it was; without those that nobody wanted to remove.
Failures = Mapping[Leftover, str | None]


_NOT_LISTED = "; give another --project, or ask for a role that may list its resources"
# What helps where Google answers so.
_FIXES: dict[int | None, str] = {UNAUTHORIZED: f"; run `{LOGIN}`", FORBIDDEN: _NOT_LISTED, NOT_FOUND: _NOT_LISTED}


class ExitCode(IntEnum):
    """The command's exit code."""

    clean = 0
    leftovers = 3
    not_all_removed = 4
    incomplete = 5


def janitor(
    stack: str | None, region: str | None, project: str | None, state: TextIO | None, *, remove: bool, as_json: bool
) -> ExitCode:
    """List leftovers, and remove them with `remove`; raises CommandError where Google Cloud cannot be read.

    With the `state` of a stack, only what a killed update was creating; if there is nothing of that kind, Google Cloud
    is not called.
    """
    interrupted = _interrupted(stack, state)
    if state is not None and not interrupted:
        note(f"no update of stack {stack} was killed while it created something in Google Cloud.")
        return ExitCode.clean
    google, project = _connect(stack, project)
    found, unlisted = _leftovers_in(google, project, interrupted)
    unlisted = [place for place in unlisted if is_within(place, region)]
    if unlisted:
        note(f"no answer from {', '.join(unlisted)}, so what is there is not listed; try again.")
    selected = [
        leftover
        for leftover in found
        if is_within(leftover.resource.location, region)
        and (stack is None or leftover.resource.stack == label_value(stack))
        and (state is None or leftover.why is Why.interrupted)
    ]
    failures = dict(Remover(google, note).remove(selected) if remove else ())
    for leftover, failure in failures.items():
        if failure is not None:
            note(f"not removed: {leftover.resource.kind.name} {leftover.resource.name}: {failure}")
    if as_json:
        print_json([_json(leftover, failures) for leftover in selected])
    else:
        _print(selected, failures, project, _removal(project, stack, region, state))
    if any(failures.values()):
        return ExitCode.not_all_removed
    if selected and not remove:
        return ExitCode.leftovers
    return ExitCode.incomplete if unlisted else ExitCode.clean


def _interrupted(stack: str | None, state: TextIO | None) -> Mapping[str, str | None]:
    if state is None:
        return {}
    if stack is None:
        raise CommandError(
            "--state is the state of one stack, but --stack does not say which, so resources of other stacks could be"
            " listed as leftovers; give --stack as well"
        )
    return interrupted_names(state.read(), stack)


def _connect(stack: str | None, project: str | None) -> tuple[GoogleClient, str]:
    config = load_config(stack) if stack is not None and stack in stack_names() else {}
    access = access_of(google_keys(config), project)
    if access.project is None:
        raise CommandError("no project is set, so there is nowhere to look; give --project, or set GOOGLE_PROJECT")
    try:
        return GoogleClient(access), access.project
    except NoCredentialsError as error:
        raise CommandError(
            f"no Google credentials were found ({error}), so nothing can be listed; run `{LOGIN}`"
        ) from None


def _leftovers_in(
    google: GoogleClient, project: str, interrupted: Mapping[str, str | None]
) -> tuple[list[Leftover], Sequence[str]]:
    """All leftovers, and the zones and regions that did not answer."""
    try:
        listed = inventory(google, project, note)
        now = google.now()
    except CloudError as error:
        fix = _FIXES.get(error.status, "")
        raise CommandError(f"project {project} could not be listed, so nothing was removed: {error}{fix}") from None
    return leftovers(listed, now, interrupted), listed.unlisted


def _removal(project: str, stack: str | None, region: str | None, state: TextIO | None) -> str:
    """The command that removes what was listed, and nothing else."""
    file = state and ("-" if state.name == "<stdin>" else state.name)
    options = {"project": project, "stack": stack, "region": region, "state": file}
    given = [f"--{name} {shlex.quote(value)}" for name, value in options.items() if value]
    return f"shapebench janitor {' '.join(given)} --yes"


def _print(selected: Sequence[Leftover], failures: Failures, project: str, removal: str) -> None:
    if not selected:
        note(f"found no leftovers that match the options in project {project}.")
        return
    columns = ("kind", "name", "location", "stack", "reason", "lease ended", "state")
    rows = [_row(leftover, failures) for leftover in selected]
    print_table(Table.of("Leftovers", columns, ("USD/24 h",), rows))
    left = [leftover for leftover in selected if failures.get(leftover, "") is not None]
    known = [usd for leftover in left if (usd := daily_usd(leftover.resource)) is not None]
    unknown = len(left) - len(known)
    if left:
        unpriced = f", without {unknown} whose price is not known" if unknown else ""
        note(f"\nThe leftovers cost {money(sum(known))} USD/day{unpriced}.")
    if not failures:
        note("Nothing was removed. If the stack still has its state, use `pulumi destroy`. Otherwise this removes what")
        note(f"is listed, without further questions: {removal}")


def _row(leftover: Leftover, failures: Failures) -> tuple[str, ...]:
    resource, usd = leftover.resource, daily_usd(leftover.resource)
    state = "left" if leftover not in failures else "not removed" if failures[leftover] else "removed"
    return (
        resource.kind.name,
        resource.name,
        resource.location,
        resource.stack,
        leftover.why,
        str(expiry(resource.labels)),
        state,
        MISSING if usd is None else money(usd),
    )


def _json(leftover: Leftover, failures: Failures) -> dict[str, Any]:
    resource = leftover.resource
    return {
        "kind": resource.kind.name,
        "name": resource.name,
        "location": resource.location,
        "stack": resource.stack,
        "commit": resource.labels.get(COMMIT),
        "expires_at": expiry(resource.labels),
        "made_at": resource.created_at.isoformat() if resource.created_at else None,
        "why": leftover.why.value,
        "usd_a_day": daily_usd(resource),
        "removed": failures.get(leftover, "") is None,
        "failure": failures.get(leftover),
    }
