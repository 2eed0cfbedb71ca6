"""`shapebench latest`: the newest capacity and cost of each stack, and how the cost differs from another store."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.formatting import MISSING, commit_text, money, number, stack_and_serving_name
from analysis.report.tables import Column, Table
from analysis.results.storage.store import ResultsStore, Scan
from analysis.verdict.change import Change, Side, read_changes
from analysis.verdict.history import read_history
from analysis.verdict.latest import Latest, SearchReader, read_latest
from shapebench.output import CommandError, note, print_json, print_table, print_text
from shapebench.skipped import excluded_json, note_excluded, note_skipped, skipped_json
from stacks.files import stack_names

_REHEARSAL = "rehearsal"
_OF_REQUESTS = ("predictions/request", "USD/million requests")


def print_latest(uri: str, stacks: Sequence[str], commits: int, *, as_json: bool) -> None:
    """Print the newest variant of each stack that has a capacity search; of the `stacks` if there are any.

    Then each at so many commits, where that is more than 0.

    Raises CommandError for a stack that is neither in the store nor in this checkout.
    """
    store = ResultsStore(uri)
    scan = store.scan()
    _require_known(stacks, uri, scan)
    runs = [run for run in scan.manifests if not stacks or run.stack in stacks]
    reader = SearchReader(store)
    latest, excluded = read_latest(reader, runs)
    history, of_history = read_history(reader, runs, commits) if commits else ({}, ())
    excluded = tuple({run.run_id: (run, why) for run, why in (*of_history, *excluded)}.values())
    if as_json:
        found: dict[str, Any] = {"latest": {stack: variant.to_dict() for stack, variant in latest.items()}}
        if commits:
            found["history"] = {
                stack: [variant.to_dict() for variant in of_stack] for stack, of_stack in history.items()
            }
        print_json({**found, "excluded": excluded_json(excluded), **skipped_json(scan)})
        return
    if latest:
        # Only where it says something: most requests are one prediction.
        several = any(variant.price.instances != 1 for variant in latest.values())
        table = _latest_table(latest.values(), several=several)
        print_table(table, dispensable=_OF_REQUESTS[::-1] if several else ())
        if history:
            print_text("")
            print_table(_history_table(history), "At its last commits")
        _note_rehearsal(latest.values())
    else:
        note(
            f"no capacity search of {' or '.join(stacks) or 'any stack'} in {uri} can be used, so there is nothing to"
            f" show; `shapebench verdict --p99 400ms --results {uri}` gives the reasons and what to run next"
        )
    note_excluded(excluded, "not used")
    note_skipped(scan)


def print_changes(uri: str, against: str, stacks: Sequence[str], *, as_json: bool) -> None:
    """Print for each stack whether it is better or worse than in the store `against`; raises the same."""
    before, after = ResultsStore(against), ResultsStore(uri)
    scans = before.scan(), after.scan()
    _require_known(stacks, f"{uri} or {against}", *scans)
    changes = read_changes(Side(before, scans[0].manifests), Side(after, scans[1].manifests), stacks)
    if as_json:
        skipped = {**skipped_json(scans[1]), "against": skipped_json(scans[0])}
        print_json({"changes": [change.to_dict() for change in changes], **skipped})
        return
    if changes:
        print_table(_changes_table(changes))
        _note_rehearsal(changes)
    else:
        note(
            f"there is no finished run in {uri}, so nothing is compared with {against}; give --results the store with"
            " the runs after the change"
        )
    for change in changes:
        for reason in change.why_not:
            note(f"{change.stack}: {reason}")
        note_excluded(change.excluded, "not used")
    for scan in scans:
        note_skipped(scan)


def require_commits(commits: int, against: str | None) -> None:
    """Raises CommandError for a number of commits that there is no history of."""
    if commits < 0:
        raise CommandError(f"--history is {commits}, which is no number of commits; give 1 or more")
    if commits and against is not None:
        raise CommandError("--history is of one store, and --against compares two; leave one of them out")


def _require_known(stacks: Sequence[str], uri: str, *scans: Scan) -> None:
    """A stack that has a file and no run was not measured yet; one that has neither is misspelt."""
    known = {*stack_names(), *(stack for scan in scans for stack in scan.stacks)}
    if unknown := [stack for stack in stacks if stack not in known]:
        raise CommandError(
            f"there is no stack '{unknown[0]}': {uri} has no run of it, and stacks/ has no file of it; the stacks are"
            f" {', '.join(sorted(known))}"
        )


def _note_rehearsal(found: Iterable[Latest | Change]) -> None:
    if any(measured.is_rehearsal for measured in found):
        note(f"{_REHEARSAL}: measured on one machine, which says nothing about a node shape")


def _latest_table(latest: Iterable[Latest], *, several: bool) -> Table:
    rows = [
        (
            f"{stack_and_serving_name(variant.newest)}{_marked(variant)}",
            f"{variant.measured_at:%Y-%m-%d}",
            variant.usd_per_million.text(money),
            variant.capacity.rps.text(number),
            number(variant.usd_hourly),
            str(variant.capacity.deployments),
            str(variant.capacity.runs),
            *(_of_requests(variant) if several else ()),
        )
        for variant in latest
    ]
    numbers = ("USD/million", "capacity, 1/s", "USD/h", "deployments", "runs", *(_OF_REQUESTS if several else ()))
    return Table.of("Latest measurement of each stack", ("variant", "measured, UTC"), numbers, rows)


def _history_table(history: Mapping[str, Sequence[Latest]]) -> Table:
    rows = [
        (
            f"{stack_and_serving_name(variant.newest)}{_marked(variant)}",
            commit_text(variant.newest.git_commit),
            f"{variant.measured_at:%Y-%m-%d}",
            variant.usd_per_million.text(money),
            variant.capacity.rps.text(number),
            str(variant.capacity.deployments),
        )
        for of_stack in history.values()
        for variant in of_stack
    ]
    numbers = ("USD/million", "capacity, 1/s", "deployments")
    return Table.of("Each stack at its last commits", ("variant", "commit", "measured, UTC"), numbers, rows)


def _of_requests(variant: Latest) -> tuple[str, str]:
    return f"{variant.price.instances:.4g}", variant.price.usd_per_million_requests(variant.capacity.rps).text(money)


def _changes_table(changes: Iterable[Change]) -> Table:
    columns = (
        Column("stack", "text"),
        Column("finding", "text", bold=True),
        Column("cost after / before"),
        Column("before, USD/million"),
        Column("after, USD/million"),
        Column("what differs", "wrap"),
    )
    rows = tuple(
        (
            f"{change.stack}{_marked(change)}",
            change.finding.value,
            change.ratio.text(number) if change.ratio else MISSING,
            change.before.usd_per_million.text(money) if change.before else MISSING,
            change.after.usd_per_million.text(money) if change.after else MISSING,
            "; ".join(change.differs) or MISSING,
        )
        for change in changes
    )
    return Table("Changes of stacks", columns, rows)


def _marked(measured: Latest | Change) -> str:
    return f" ({_REHEARSAL})" if measured.is_rehearsal else ""
