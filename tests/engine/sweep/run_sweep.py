"""Runs or resumes a sweep of real stacks, as a process that a test can kill.

`python -m tests.engine.sweep.run_sweep <checkout> <folder of the sweep>`; a new one has its settings in
`<folder>.json`. Prints a line for each finished run, and how the sweep ended.
"""

import asyncio
import signal
import sys
from pathlib import Path

from stacks import files
from sweep.conductor.conductor import Conductor
from sweep.conductor.snapshot import Outcome, Snapshot
from sweep.journal.journal import FILE, Journal
from sweep.pulumi_fleet.pulumi_fleet import PulumiFleet
from sweep.settings import SweepSettings
from tests.support.sweeps import Blocks


def show(snapshot: Snapshot) -> None:
    for stack in snapshot.stacks:
        print(f"{stack.stack}: {stack.state.value} {stack.progress.text if stack.progress else ''} {stack.why}")


async def run(checkout: Path, folder: Path) -> Outcome:
    if (folder / FILE).exists():
        journal = Journal.open(folder)
    else:
        settings = SweepSettings.model_validate_json(folder.with_suffix(".json").read_text(), strict=False)
        journal = Journal.create(folder, settings)
    fleet = PulumiFleet(journal.sweep_id, folder, journal.settings.results, root=checkout, pause_s=2)
    conductor = Conductor(journal, fleet, Blocks(1), show)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, conductor.stop)
    return await conductor.run()


if __name__ == "__main__":
    files.STACKS_DIR = Path(sys.argv[1]) / "stacks"
    outcome = asyncio.run(run(Path(sys.argv[1]), Path(sys.argv[2])))
    print(f"ending: {outcome.ending.name} {outcome.message}")
    for each in outcome.last.stacks:
        print(f"stack {each.stack}: {each.state.value} {each.why}")
    print(f"leftovers: {dict(outcome.leftovers)} may be up: {dict(outcome.may_be_up)}")
