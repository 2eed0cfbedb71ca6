import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from sweep.pulumi_fleet import pulumi_fleet
from sweep.pulumi_fleet.pulumi_fleet import PulumiFleet
from sweep.pulumi_fleet.record import TaskRecord
from sweep.tasks import Length, Measure, Measured
from tests.support.scripts import write_script
from tests.support.sweeps import candidate


def test_a_run_is_looked_for_once_the_update_that_was_started_for_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi_fleet, "activated_environment", lambda _: dict(os.environ))
    (tmp_path / "results").mkdir()
    folder = tmp_path / "01SWEEP"
    fleet = PulumiFleet("01SWEEP", folder, str(tmp_path / "results"))
    task = Measure(candidate("local"), 1, Length.short)
    TaskRecord(task.candidate.key, 1, (), is_updating=True).write(folder / "local.task.json")
    script = write_script(tmp_path / "pulumi", "while true; do sleep 0.1; done")

    async def found(update: "subprocess.Popen[bytes]") -> Measured | None:
        looking = asyncio.create_task(fleet.find(task))
        done, _ = await asyncio.wait({looking}, timeout=2)
        update.kill()
        assert not done
        return await looking

    command = [str(script), "up", "--event-log", str(folder / "local.events")]
    with subprocess.Popen(command, start_new_session=True) as update:
        assert asyncio.run(found(update)) is None
