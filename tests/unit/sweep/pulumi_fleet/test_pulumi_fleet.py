import asyncio
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from sweep.fleet import FleetError
from sweep.pulumi_fleet import pulumi_fleet
from sweep.pulumi_fleet.pulumi_fleet import PulumiFleet
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
    return PulumiFleet("20261130-020000", tmp_path / "sweep", str(tmp_path / "results"))


def test_a_run_is_looked_for_once_the_update_that_was_started_for_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi_fleet, "activated_environment", lambda _: dict(os.environ))
    (tmp_path / "results").mkdir()
    folder = tmp_path / "01SWEEP"
    fleet = PulumiFleet("01SWEEP", folder, str(tmp_path / "results"))
    task = Measure(candidate("local"), 1, Length.short)
    (folder / "local.updating").touch()
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
    monkeypatch.setattr(pulumi_fleet, "run_of", lambda *_: "01RUN")

    def measured(*_: object) -> Measured:
        raise error or FleetError("its manifest was changed")

    monkeypatch.setattr(pulumi_fleet, "measured", measured)
    if error:
        assert asyncio.run(fleet.find(TASK)) is None
    else:
        with pytest.raises(FleetError, match="its manifest was changed"):
            asyncio.run(fleet.find(TASK))


# A Pulumi that notes each command, and has one resource until it is told to destroy it.
PULUMI = """
echo "$*" >> "$NOTED"
case "$*" in
*"stack export"*)
    if grep -q -- "--non-interactive destroy" "$NOTED"; then resources=; else
        resources='{"urn": "urn:pulumi:local::x::y::z", "type": "y"}'
    fi
    echo '{"deployment": {"resources": ['"$resources"']}}' ;;
*"stack history"*) echo '[{"kind": "destroy", "startTime": "2026-11-30T00:00:00.000Z", "message": "", "environment": {},
    "config": {}, "result": "succeeded", "endTime": "2026-11-30T00:00:00.000Z"}]' ;;
esac
"""


@pytest.fixture
def noted(fleet: PulumiFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Pulumi was told, a line each."""
    write_script(tmp_path / "bin/pulumi", PULUMI)
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    return tmp_path / "noted"


def destroys(noted: Path) -> int:
    return sum(" destroy " in line for line in noted.read_text().splitlines())


DAMAGES = {
    "empty": b"",
    "cut": b"config: {shape",
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[1]",
    "no YAML": b"config: [",
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_stack_file_in_the_sweeps_folder_does_not_keep_its_stack_up(
    fleet: PulumiFleet, noted: Path, content: bytes
) -> None:
    path = fleet._place.stack_file(TASK.stack)
    path.write_bytes(content)
    asyncio.run(fleet.destroy(TASK.stack, lambda _: None))
    assert destroys(noted) == 1
    assert "config" in yaml.safe_load(path.read_text())


def test_a_full_disk_does_not_keep_a_stack_up(fleet: PulumiFleet, noted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tools.private_files._owners_alone", full)
    monkeypatch.setattr(Path, "touch", full)
    asyncio.run(fleet.destroy(TASK.stack, lambda _: None))
    assert destroys(noted) == 1


def test_a_run_is_not_begun_on_a_full_disk_and_the_error_says_so(
    fleet: PulumiFleet, noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    fleet._exist.add(TASK.stack)
    monkeypatch.setattr("tools.private_files._owners_alone", full)
    with pytest.raises(FleetError, match=r"Pulumi\.local\.yaml cannot be written \(No space left on device\)"):
        asyncio.run(fleet.measure(TASK, lambda _: None))
    assert not noted.exists()


def test_a_broken_stack_file_is_an_error_of_the_destruction(
    fleet: PulumiFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stacks.files.STACKS_DIR", tmp_path)
    (tmp_path / f"Pulumi.{TASK.stack}.yaml").write_text("config: [")
    with pytest.raises(FleetError, match="is not YAML"):
        asyncio.run(fleet.destroy(TASK.stack, lambda _: None))


def test_a_run_is_not_begun_where_no_resumed_sweep_would_find_its_update(
    fleet: PulumiFleet, noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    fleet._exist.add(TASK.stack)
    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(FleetError, match=r"local\.updating cannot be made \(No space left on device\)"):
        asyncio.run(fleet.measure(TASK, lambda _: None))
    assert not noted.exists()
