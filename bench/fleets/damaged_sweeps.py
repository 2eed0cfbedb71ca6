"""Sweeps that are killed, damaged and resumed, and tasks of the real fleet whose files are damaged; each is graded."""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from bench.fleets.chaos import CANDIDATES, Killed, forget, kill, kill_updates, world
from bench.fleets.damages import DAMAGES
from sweep.conductor.conductor import Conductor
from sweep.conductor.snapshot import Ending, Outcome
from sweep.conductor.takedown import take_down
from sweep.journal.clock import Clock
from sweep.journal.database import DamagedJournalError, Database, JournalError
from sweep.journal.journal import Journal
from sweep.journal.stacks import stacks_of
from sweep.pulumi_fleet import pulumi_fleet
from sweep.pulumi_fleet.pulumi_fleet import PulumiFleet
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.event_loop import VirtualTimeLoop
from sweep.simulation.fleet import SimulatedFleet
from sweep.simulation.run import HEARTBEAT_S
from sweep.simulation.world import Faults
from sweep.strategies.create import strategy_of

_KILLED_S = (300.0, 4 * 3600.0)
_STACK = "local"
_FULL_DISK = "the disk is full"
_CONTENTS = {
    "is empty": b"",
    "is cut": b"config: {shape",
    "is not UTF-8": b"\xff\xfe\x00\xd8",
    "is another document": b"[1, 2]",
}
# A stack of one resource, which is there until it is destroyed.
_PULUMI = """#!/bin/sh
echo "$*" >> "$NOTED"
case "$*" in
*"stack export"*)
    grep -q -- "--non-interactive destroy" "$NOTED" || resources='{"urn": "urn:pulumi:local::x::y::z", "type": "y"}'
    echo '{"deployment": {"resources": ['"$resources"']}}' ;;
*"stack history"*) echo '[{"kind": "destroy", "startTime": "2026-11-30T00:00:00.000Z", "message": "",
    "environment": {}, "config": {}, "result": "succeeded", "endTime": "2026-11-30T00:00:00.000Z"}]' ;;
esac
"""


@dataclass(frozen=True)
class Graded:
    """What followed from a damage. `is_same`: the answer was that without the damage."""

    seed: int
    damage: str
    is_same: bool
    is_noticed: bool
    is_up: bool
    error: str = ""

    @property
    def is_unnoticed(self) -> bool:
        return not self.is_same and not self.is_noticed

    @property
    def problems(self) -> Iterator[str]:
        if self.is_unnoticed:
            yield "another answer without a word"
        if self.is_up:
            yield "a stack is up"
        if self.error:
            yield self.error


def damaged_sweep(folder: Path, seed: int) -> Graded:
    """A sweep that is killed, damaged and resumed, beside the same sweep that is killed and resumed."""
    expected = _answer(_resumed(folder / "whole", seed, lambda *_: None)[0])
    draw = random.Random(f"damage {seed}")  # noqa: S311 - no secret
    number = draw.randrange(len(DAMAGES) + 1)
    name = DAMAGES[number].name if number < len(DAMAGES) else _FULL_DISK
    is_noticed, answer, up, error = False, None, True, ""

    def damage(at: Path, cloud: Cloud) -> None:
        if name != _FULL_DISK:
            DAMAGES[number].do(at, cloud, draw)

    try:
        outcome, up = _resumed(folder / "damaged", seed, damage, is_full=name == _FULL_DISK)
        answer = _answer(outcome)
        is_noticed = outcome is None or bool(outcome.notes) or outcome.ending is not Ending.decided
    except Exception as raised:  # noqa: BLE001 - an exception of any kind is what this looks for
        error = f"{type(raised).__name__}: {raised}"
    return Graded(seed, name, answer == expected, is_noticed or bool(error), up, error)


def _resumed(
    folder: Path, seed: int, damage: Callable[[Path, Cloud], None], *, is_full: bool = False
) -> tuple[Outcome | None, bool]:
    """The outcome of the sweep that was killed and resumed, None where it was only taken down; and what is up."""
    draw = random.Random(f"sweep {seed}")  # noqa: S311 - no secret
    settings = SweepSettings(candidates=CANDIDATES, parallel=draw.randint(2, 4), blocks=2, seed=seed, simulated=True)
    cloud = Cloud(world(draw, seed))
    cloud.faults = Faults()
    loop = VirtualTimeLoop()
    clock = Clock(loop.time, loop.time)
    journal = Journal.create(folder, settings, clock)
    try:
        loop.call_later(draw.uniform(*_KILLED_S), kill)
        _conduct(journal, cloud, settings, loop)
    except Killed:
        forget(loop)
    finally:
        journal.close()
    kill_updates(cloud, draw)
    began_s = loop.time() + 60
    loop.close()
    damage(folder, cloud)
    loop = VirtualTimeLoop(began_s)
    clock = Clock(loop.time, loop.time)
    try:
        journal = Journal.open(folder, clock)
    except DamagedJournalError:
        loop.run_until_complete(take_down(SimulatedFleet(cloud), stacks_of(folder), lambda _: None))
        return None, bool(cloud.up_since_s)
    try:
        with patch.object(Database, "write", _write_full) if is_full else nullcontext():
            return _conduct(journal, cloud, settings, loop), bool(cloud.up_since_s)
    finally:
        journal.close()
        loop.close()


def _conduct(journal: Journal, cloud: Cloud, settings: SweepSettings, loop: VirtualTimeLoop) -> Outcome:
    conductor = Conductor(journal, SimulatedFleet(cloud), strategy_of(settings), heartbeat_s=HEARTBEAT_S)
    outcome = loop.run_until_complete(conductor.run())
    if outcome.error:
        raise outcome.error
    return outcome


def _answer(outcome: Outcome | None) -> object:
    """What a sweep says at its end: who is chosen at what cost, and with what certainty."""
    if outcome is None:
        return None
    return outcome.ending, tuple(
        (
            objective.leader
            and (objective.leader.candidate.key, objective.leader.usd_per_million, objective.leader.runs),
            objective.claim,
        )
        for objective in outcome.last.objectives
    )


def _write_full(*_: object) -> None:
    raise JournalError("simulated: database or disk is full")


def damaged_task(folder: Path, seed: int) -> Graded:
    """A stack whose newest task was killed and left damaged files, or whose disk is full; it is destroyed."""
    draw = random.Random(f"task {seed}")  # noqa: S311 - no secret
    place = draw.choice(("stack file", _FULL_DISK))
    how = draw.choice(list(_CONTENTS))
    name = _FULL_DISK if place == _FULL_DISK else f"{place} {how}"
    sweep, said, error = folder / "sweep", list[str](), ""
    program, noted = folder / "bin/pulumi", folder / "noted"
    program.parent.mkdir()
    program.write_text(_PULUMI)
    program.chmod(0o755)
    noted.touch()
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "NOTED": str(noted)}
    with patch.object(pulumi_fleet, "activated_environment", lambda _: environment):
        fleet = PulumiFleet("20261130-020000", sweep, str(folder / "results"))
    if draw.random() < 0.5:
        (sweep / f"{_STACK}.updating").touch()
    if place == "stack file":
        (sweep / f"Pulumi.{_STACK}.yaml").write_bytes(_CONTENTS[how])
    try:
        with _full_disk() if place == _FULL_DISK else nullcontext():
            asyncio.run(fleet.destroy(_STACK, lambda progress: said.append(progress.text)))
    except Exception as raised:  # noqa: BLE001 - an exception of any kind is what this looks for
        error = f"{type(raised).__name__}: {raised}"
    is_up = not any(" destroy " in line for line in noted.read_text().splitlines())
    # A full disk is said; a stack file in the sweep's folder is only a copy, which is made anew.
    is_noticed = place == "stack file" or any("cannot be" in text for text in said)
    return Graded(seed, name, is_same=False, is_noticed=is_noticed, is_up=is_up, error=error)


@contextmanager
def _full_disk() -> Iterator[None]:
    """No file can be created or written."""

    def full(*_: object, **_more: object) -> int:
        raise OSError(28, "No space left on device")

    with patch("tools.private_files._owners_alone", full), patch.object(Path, "touch", full):
        yield
