"""`shapebench sweep`: measures many stacks and serving variants, decides which is the cheapest, and destroys all."""

import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import typer

from analysis.report.folders import REPORT_HTML, check_folder
from analysis.report.tables import Column, Table
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from shapebench.options import default_store
from shapebench.output import CommandError, note, print_table, print_text
from shapebench.sweeps.answer import answer, destroy_command, exit_code, troubles, write_outcome
from shapebench.sweeps.plan import estimates, print_plan, print_rest
from shapebench.sweeps.run import run_journal, run_simulated, take_down_sweep
from shapebench.sweeps.view import duration
from stacks.explain import SettingsError
from stacks.files import load_settings, store_uri
from sweep.asked import read_limits, read_settings
from sweep.conductor.conductor import expectations
from sweep.conductor.snapshot import Outcome
from sweep.conductor.state import SweepState
from sweep.fleet import Expected, FleetError, LastingError
from sweep.journal.database import DamagedJournalError, Database, JournalError
from sweep.journal.journal import FILE, Journal
from sweep.journal.stacks import FILE as STACKS_FILE
from sweep.machines import write_made
from sweep.pulumi_fleet.expected import expected_of
from sweep.pulumi_fleet.pulumi_fleet import PulumiFleet
from sweep.pulumi_fleet.quota import room_of
from sweep.pulumi_fleet.results import disturbed_runs
from sweep.settings import SweepSettings
from sweep.simulation.estimate import SweepEstimate
from tools.pins import ROOT

SWEEPS = ROOT / ".state/sweeps"
_LIMITS = {"max_usd", "max_hours"}
_INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True)
class Request:
    """What the command was given. `options` are fields of `sweep.asked.SweepFile`."""

    sweep_id: str | None
    file: Path | None
    options: Mapping[str, Any]
    report: Path
    yes: bool
    simulated: bool


def sweep(request: Request, mode: Literal["run", "resume", "plan", "list"]) -> int:
    """The exit code; raises CommandError where a sweep cannot begin or go on."""
    try:
        if mode == "list":
            return _list()
        if mode == "resume":
            return _resume(request)
        settings = _with_absolute_store(read_settings(request.file, request.options))
        expected = expectations(settings, lambda stack: expected_of(stack, settings.made.get(stack)))
        if mode == "plan":
            print_plan(settings, expected, estimates(settings, expected))
            return 0
        return _simulate(settings, expected) if request.simulated else _run(settings, expected, request)
    except (FleetError, JournalError) as error:
        raise CommandError(str(error)) from None


def _with_absolute_store(settings: SweepSettings) -> SweepSettings:
    """The settings with a store that is the same one wherever the sweep is resumed."""
    results = settings.results if "results" in settings.model_fields_set else default_store()
    return settings.model_copy(update={"results": store_uri(results, Path.cwd())})


def _run(settings: SweepSettings, expected: Mapping[str, Expected], request: Request) -> int:
    # Only here: a sweep that goes on may have stacks to destroy, which no report may keep it from.
    check_folder(request.report)
    estimated = estimates(settings, expected)
    print_plan(settings, expected, estimated)
    _note_room(settings)
    if _costs_money(expected) and not request.yes:
        _require_consent("Create these stacks?")
    _write_made(settings)
    with closing(Journal.create(SWEEPS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}", settings)) as journal:
        note(f"If the sweep is interrupted, go on with: shapebench sweep --resume {journal.sweep_id}")
        return _to_the_end(journal, request, expected, _grid_usd(settings, estimated))


def _write_made(settings: SweepSettings) -> None:
    """Write the stack files of machine types that are not there, and say so; raises CommandError."""
    try:
        written = write_made(settings.made)
    except OSError as error:
        raise CommandError(
            f"the file of a stack cannot be written ({error.strerror}: {error.filename}), so no run is begun; make room"
            " or give permission"
        ) from None
    if written:
        note(f"Wrote {', '.join(f'stacks/{name}' for name in written)}.")


def _note_room(settings: SweepSettings) -> None:
    """Say which quotas the stacks do not fit into together, and which are not known, before they are created."""
    try:
        room = room_of(dict.fromkeys(candidate.stack for candidate in settings.candidates), settings.made)
    except LastingError:
        raise  # the project gets no machine of a series, so neither would an update
    except FleetError as error:
        note(f"It is not known whether the stacks fit into the quotas together: {error}")
        return
    for line in room.too_small(settings.parallel):
        note(f"Not all stacks fit at once, so some wait until others are destroyed. {line}")
    for line in room.unknown(settings.parallel):
        note(
            f"Not checked, because Google's list of quotas lacks it: {line}. `shapebench preflight --stack STACK` says"
            " where to see it."
        )


def _costs_money(expected: Mapping[str, Expected]) -> bool:
    return any(expectation.billed_usd_hourly != 0 for expectation in expected.values())


def _grid_usd(settings: SweepSettings, estimated: Mapping[str, SweepEstimate]) -> float | None:
    """What the grid would cost in place of another strategy; None where it is not known."""
    grid = None if settings.strategy == "grid" else estimated["grid"].usd
    return grid.median if grid else None


def _require_consent(question: str) -> None:
    """Raise CommandError without it."""
    if not sys.stdin.isatty():
        raise CommandError(
            "the sweep costs money and there is no terminal to ask for your consent, so this command created"
            " nothing; give --yes"
        )
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise CommandError("you did not agree, so this command created nothing")


def _simulate(settings: SweepSettings, expected: Mapping[str, Expected]) -> int:
    grid_usd = _grid_usd(settings, estimates(settings, expected))
    outcome = run_simulated(settings, expected)
    return _end(outcome, list(answer(outcome, is_rehearsal=True, grid_usd=grid_usd)), is_rehearsal=True)


def _resume(request: Request) -> int:
    if request.simulated or request.file or request.options.keys() - _LIMITS:
        raise CommandError(
            "a sweep goes on with the options that it was begun with, so with --resume only --max-usd, --max-hours,"
            " --out and --yes can be given; leave the others out, or begin another sweep"
        )
    folder = SWEEPS / (request.sweep_id or _newest())
    try:
        journal = Journal.open(folder)
    except DamagedJournalError as damage:
        return take_down_sweep(
            folder,
            damage,
            lambda: PulumiFleet(folder.name, folder, default_store()),
            (lambda _: None) if request.yes else _require_consent,
        )
    with closing(journal):
        kept = journal.settings
        state = SweepState.of(kept.candidates, journal.records, journal.resumptions)
        try:
            _write_made(kept)
            expected = _agree_to_go_on(journal, state, request)
            return _to_the_end(journal, request, expected, None)
        except (CommandError, FleetError, JournalError, SettingsError) as error:
            # A limit that was not agreed to is none of the next resumption.
            with suppress(JournalError):
                journal.change_limits(kept.max_usd, kept.max_hours)
            raise CommandError(f"{error}{_up_from_before(state.up)}") from None


def _agree_to_go_on(journal: Journal, state: SweepState, request: Request) -> Mapping[str, Expected]:
    """Set the limits that are given, and ask; raises CommandError without consent. Returns what is known of stacks."""
    if request.options:
        limits = {name: request.options.get(name, getattr(journal.settings, name)) for name in _LIMITS}
        read_limits(limits)
        try:
            journal.change_limits(**limits)
        except JournalError as error:
            note(str(error))  # where nothing can be written, what is up is destroyed
    settings = journal.settings
    expected = expectations(settings, expected_of)
    if _costs_money(expected):
        print_rest(journal, state, expected, _estimate(settings, expected))
        if not request.yes:
            _require_consent("Go on, and create the stacks that are needed?")
    return expected


def _estimate(settings: SweepSettings, expected: Mapping[str, Expected]) -> SweepEstimate | None:
    """What the whole sweep is expected to take; None where it cannot be simulated, as on a full disk."""
    try:
        return estimates(settings, expected, [settings.strategy])[settings.strategy]
    except (OSError, JournalError) as error:
        note(f"what the sweep is expected to cost is not known ({error})")
        return None


def _up_from_before(up: Sequence[str]) -> str:
    return "".join(
        f". {stack} may be up from before and cost money: go on with --resume, or run {destroy_command(stack)}"
        for stack in up
    )


def _newest() -> str:
    if not (found := _journals()):
        raise CommandError("there is no sweep to resume; begin one: shapebench sweep --stack NAME")
    return found[-1].name


def _journals() -> list[Path]:
    """The folders of all sweeps, also of one whose journal is gone."""
    return sorted({path.parent for name in (FILE, STACKS_FILE) for path in SWEEPS.glob(f"*/{name}")})


def _to_the_end(journal: Journal, request: Request, expected: Mapping[str, Expected], grid_usd: float | None) -> int:
    settings = journal.settings
    fleet = PulumiFleet(journal.sweep_id, journal.folder, settings.results, settings.max_hours, expected)
    is_rehearsal = all(load_settings(candidate.stack).platform == "local" for candidate in settings.candidates)
    outcome, was_cut_off = run_journal(journal, fleet, request.report)
    disturbed = _disturbed(journal)
    lines = list(answer(outcome, is_rehearsal=is_rehearsal, grid_usd=grid_usd, disturbed=disturbed))
    try:
        write_outcome(journal.folder, outcome, lines)
    except OSError as error:  # a full disk must not hide what may be up
        note(f"the outcome was not written into {journal.folder}: {error}; the comment on a pull request will lack it")
    code = _end(outcome, lines, is_rehearsal=is_rehearsal)
    if outcome.last.finished_runs:
        print_text(f"Report: {request.report / REPORT_HTML}")
    return _INTERRUPTED if was_cut_off else code


def _disturbed(journal: Journal) -> int:
    """How many of the sweep's runs were refused for that; 0 where the results store cannot be read any more."""
    try:
        return disturbed_runs(ResultsStore(journal.settings.results), journal.sweep_id)
    except (StoreError, OSError):
        return 0


def _end(outcome: Outcome, lines: Sequence[str], *, is_rehearsal: bool) -> int:
    if outcome.error:
        traceback.print_exception(outcome.error)
    for trouble in troubles(outcome):
        note(trouble)
    print_text("\n".join(lines))
    return exit_code(outcome, is_rehearsal=is_rehearsal)


def _list() -> int:
    """Print all sweeps of this checkout, the newest last."""
    journals, rows = _journals(), []
    for folder in journals:
        try:
            database = Database.open(folder / FILE)
            kept = database.read()
            database.close()
        except JournalError as error:
            note(f"skipped: {error} `shapebench sweep --resume {folder.name}` destroys its stacks.")
            continue
        state = SweepState.of(kept.settings.candidates, kept.records, kept.resumptions)
        up = ", ".join(state.up) or "none"
        rows.append(
            (
                folder.name,
                ", ".join(state.stacks),
                str(len(state.candidates)),
                str(state.finished_runs),
                duration(kept.active_s),
                up,
            )
        )
    if not rows:
        note(
            "no sweep can be listed; stacks of the skipped ones may be up and cost money: look with `pulumi stack ls`"
            if journals
            else "there is no sweep yet; begin one: shapebench sweep --stack NAME"
        )
        return 0
    columns = (
        Column("sweep", "text"),
        Column("stacks", "wrap"),
        *map(Column, ("candidates", "runs", "time")),
        Column("up", "wrap"),
    )
    print_table(Table("Sweeps", columns, tuple(rows)))
    return 0
