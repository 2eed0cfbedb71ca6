import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from sweep.fleet import FleetError
from sweep.pulumi_fleet import pulumi_fleet
from sweep.pulumi_fleet.pulumi_fleet import PulumiFleet
from sweep.pulumi_fleet.record import TaskRecord
from sweep.pulumi_fleet.results import NothingMeasuredError
from sweep.tasks import Length, Measure, Measured
from tests.support.scripts import write_script
from tests.support.sweeps import candidate

TASK = Measure(candidate("local"), 1, Length.short)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PulumiFleet:
    """With a Pulumi that says nothing, in a folder of its own."""
    path = write_script(tmp_path / "bin/pulumi", "echo '{}'").parent
    environment = os.environ | {"PATH": f"{path}:{os.environ['PATH']}"}
    monkeypatch.setattr(pulumi_fleet, "activated_environment", lambda _: environment)
    (tmp_path / "sweep").mkdir()
    return PulumiFleet("s1", tmp_path / "sweep", str(tmp_path / "results"))


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


@pytest.mark.parametrize("error", [NothingMeasuredError("no rate certainly meets or misses"), None])
def test_a_run_that_says_nothing_is_made_again_and_one_that_cannot_be_read_is_not(
    fleet: PulumiFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: FleetError | None
) -> None:
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(pulumi_fleet, "run_since", lambda *_: "01RUN")

    def measured(*_: object) -> Measured:
        raise error or FleetError("its manifest was changed")

    monkeypatch.setattr(pulumi_fleet, "measured", measured)
    TaskRecord(TASK.candidate.key, TASK.block, ()).write(fleet._place.record(TASK.stack))
    if error:
        assert asyncio.run(fleet.find(TASK)) is None
    else:
        with pytest.raises(FleetError, match="its manifest was changed"):
            asyncio.run(fleet.find(TASK))


def test_neither_a_full_disk_nor_a_broken_stack_file_keeps_a_stack_up_for_good(
    fleet: PulumiFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destroyed: list[str] = []
    monkeypatch.setattr(pulumi_fleet.teardown, "destroy", lambda stack, _config: destroyed.append(stack.name))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TaskRecord, "write", full)
    asyncio.run(fleet.destroy(TASK.stack, lambda _: None))
    assert destroyed == [TASK.stack]
    monkeypatch.setattr("stacks.files.STACKS_DIR", tmp_path)
    (tmp_path / f"Pulumi.{TASK.stack}.yaml").write_text("config: [")
    with pytest.raises(FleetError, match="is not YAML"):
        asyncio.run(fleet.destroy(TASK.stack, lambda _: None))
