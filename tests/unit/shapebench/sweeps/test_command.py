"""The command on a simulated fleet, in simulated time, in place of Pulumi's."""

import asyncio
import os
import re
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from analysis.results.schema.manifest import Cost
from shapebench.cli import app
from shapebench.sweeps import command, report
from stacks import files
from stacks.machines.shapes import NodeShape
from sweep.asked import read_settings
from sweep.conductor.snapshot import Observer
from sweep.fleet import Expected, LastingError, Report
from sweep.journal.database import Database
from sweep.pulumi_fleet import expected
from sweep.pulumi_fleet.pulumi_fleet import PulumiFleet
from sweep.room import Room
from sweep.simulation.cloud import Cloud
from sweep.simulation.event_loop import VirtualTimeLoop
from sweep.simulation.fleet import SimulatedFleet
from sweep.tasks import Measure, Measured
from tests.support.sweeps import world
from tools.pull_request.measured import Sweep

AXES = ("--stack", "2cpu-4gb", "--stack", "8cpu-16gb", "--inter-op", "2,4")
OPTIONS = {"stacks": ["2cpu-4gb", "8cpu-16gb"], "inter_op": [2, 4]}
MACHINES = ("--machine", "n4-highcpu-{4,8}", "--total-vcpus", "16")
REPORTS_NOTHING = (sys.executable, "-S", "-u", "-c", "import sys\nfor _ in sys.stdin: print('\"\"')")
OF_MACHINES = {"machines": ["n4-highcpu-4", "n4-highcpu-8"], "total_vcpus": 16}

Presses = dict[str, int]
Use = Callable[[Cloud], Presses]


class Fleet(SimulatedFleet):
    """Presses Ctrl-C in the n-th call of a method, or sends another signal."""

    pressed = signal.SIGINT

    def __init__(self, cloud: Cloud, presses: Presses) -> None:
        super().__init__(cloud)
        self._presses, self._calls = presses, Counter[str]()

    async def measure(self, task: Measure, report: Report) -> Measured:
        await self._press("measure")
        return await super().measure(task, report)

    async def destroy(self, stack: str, report: Report) -> None:
        await self._press("destroy")
        await super().destroy(stack, report)

    async def _press(self, method: str) -> None:
        self._calls[method] += 1
        if self._calls[method] == self._presses.get(method):
            os.kill(os.getpid(), self.pressed)
            await asyncio.sleep(1)


class Refusing(SimulatedFleet):
    """One of its stacks cannot be measured."""

    async def measure(self, task: Measure, report: Report) -> Measured:
        if task.stack == "8cpu-16gb":
            raise LastingError("the server ends at once")
        return await super().measure(task, report)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Use:
    """Use a cloud in place of Google's. In which call of which method Ctrl-C is pressed is what it returns."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        loop = VirtualTimeLoop()
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.close()

    def use_cloud(cloud: Cloud) -> Presses:
        presses: Presses = {}
        monkeypatch.setattr(command, "PulumiFleet", lambda *_: Fleet(cloud, presses))
        return presses

    monkeypatch.setattr("sweep.simulation.estimate._SIMULATIONS", 1)
    monkeypatch.setattr(command, "SWEEPS", tmp_path / "sweeps")
    # The store of a simulated fleet is empty, and to start the real process takes seconds; test_report.py does.
    monkeypatch.setattr(report, "_COMMAND", REPORTS_NOTHING)
    monkeypatch.setattr(command, "room_of", lambda *_: Room())
    monkeypatch.setattr("shapebench.sweeps.run.asyncio.run", run)
    monkeypatch.chdir(tmp_path)
    return use_cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(world(read_settings(None, OPTIONS).candidates))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ("sweep", *arguments), catch_exceptions=False)


def sweeps() -> list[Path]:
    return sorted(Path("sweeps").glob("*"))


def test_a_sweep_ends_with_the_cheapest_and_nothing_up(use: Use, cloud: Cloud) -> None:
    use(cloud)
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 0, result.output
    assert "Cheapest with p99 within 500 ms and at most 0.1 % failed: 2cpu-4gb · interop2" in result.stdout
    assert "was saved" in result.stdout
    assert "costs 0.74 USD an hour while it is up" in result.stderr
    assert cloud.up_since_s == {}


def test_each_stack_is_priced_once(use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    presses, pulumi_fleet, kept_cost = use(cloud), PulumiFleet, expected.kept_cost
    priced: list[int] = []

    class PricedAsPulumis(Fleet):
        def __init__(self, *given: Any) -> None:
            super().__init__(cloud, presses)
            self._pulumis = pulumi_fleet(*given)

        def expected(self, stack: str) -> Expected:
            return self._pulumis.expected(stack)

    def counted(platform: str, shape: NodeShape, *more: Any) -> Cost:
        priced.append(shape.vcpus)
        return kept_cost(platform, shape, *more)

    monkeypatch.setattr(command, "PulumiFleet", PricedAsPulumis)
    monkeypatch.setattr(expected, "kept_cost", counted)
    assert invoke(*AXES, "--yes").exit_code == 0
    assert sorted(priced) == [2, 8]


def test_a_sweep_stores_where_the_other_commands_read_and_one_that_is_resumed_elsewhere_where_it_began(
    use: Use, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    presses = use(cloud)
    stores: list[str] = []

    def fleet(*given: Any) -> Fleet:
        stores.append(given[2])
        return Fleet(cloud, presses)

    monkeypatch.setattr(command, "PulumiFleet", fleet)
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    # As in a folder of the checkout: tests/unit/shapebench/test_options.py.
    monkeypatch.setattr(command, "default_store", lambda: "../results")
    out = ("--out", str(command.SWEEPS.parent / "report"))
    presses["measure"] = 2
    invoke(*AXES, "--yes", *out)
    presses.clear()
    monkeypatch.chdir("/")
    invoke("--resume", "--yes", *out)
    assert stores == [str(tmp_path / "results")] * 2


def test_a_report_that_cannot_be_written_is_an_error_before_anything_is_created(use: Use, cloud: Cloud) -> None:
    use(cloud)
    Path("taken").write_text("")
    result = invoke(*AXES, "--yes", "--out", "taken/report")
    assert result.exit_code == 1
    assert "taken is not a folder" in result.stderr
    assert cloud.up_since_s == {}
    assert not command.SWEEPS.exists()


def test_a_sweep_leaves_its_outcome_as_the_comment_on_a_pull_request_reads_it(use: Use, cloud: Cloud) -> None:
    use(cloud)
    invoke(*AXES, "--yes")
    (folder,) = sweeps()
    found = Sweep.model_validate_json((folder / "outcome.json").read_text())
    assert found.usd > 0
    assert found.unpriced == ()
    assert "Cheapest with p99 within 500 ms" in found.message


def test_a_sweep_that_costs_money_needs_consent(use: Use, cloud: Cloud) -> None:
    use(cloud)
    result = invoke(*AXES)
    assert result.exit_code == 1
    assert "this command created nothing; give --yes" in result.stderr
    assert not sweeps()
    assert not cloud.runs


def test_a_plan_makes_nothing(use: Use, cloud: Cloud) -> None:
    use(cloud)
    result = invoke(*AXES, "--plan", "--max-usd", "20")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[2:4]] == ["race", "grid"]
    assert "before it exceeds 20.00 USD" in result.stderr
    assert not sweeps()
    assert not cloud.runs


def test_the_plan_of_machine_types_says_what_it_saves_to_leave_out_what_is_known_to_be_far_behind(use: Use) -> None:
    machines = ["n4-highcpu-8,n4-standard-8,n4-highmem-8,c3-highcpu-8,c3-highmem-8,t2d-standard-8"]
    asked = read_settings(None, {"machines": machines, "total_vcpus": 16})
    use(Cloud(world(asked.candidates)))
    result = invoke("--machine", machines[0], "--total-vcpus", "16", "--plan")
    assert result.exit_code == 0, result.output
    rows = {line.split("  ")[0]: line.split() for line in result.stdout.splitlines()[2:5]}
    assert list(rows) == ["race", "grid", "race, --no-estimate"]
    assert float(rows["race"][-2]) < float(rows["race, --no-estimate"][-2])


def test_a_simulated_sweep_is_a_rehearsal_and_leaves_no_trace(use: Use, cloud: Cloud) -> None:
    use(cloud)
    result = invoke(*AXES, "--simulated")
    assert result.exit_code == 5
    assert result.stdout.startswith("Simulated: no figure is measured")
    assert not sweeps()
    assert not cloud.runs
    assert list(Path().iterdir()) == []


def test_a_sweep_of_the_stack_local_needs_no_consent_and_is_a_rehearsal(use: Use) -> None:
    use(Cloud(world(read_settings(None, {"stacks": ["local"], "inter_op": [2, 4]}).candidates)))
    result = invoke("--stack", "local", "--inter-op", "2,4")
    assert result.exit_code == 5, result.output
    assert result.stdout.count("A rehearsal on one machine") == 1


@pytest.fixture
def stack_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stack files that has none."""
    folder = tmp_path / "stacks"
    folder.mkdir()
    monkeypatch.setattr(files, "STACKS_DIR", folder)
    return folder


def test_a_sweep_of_machines_writes_their_stack_files_once_you_have_agreed(use: Use, stack_files: Path) -> None:
    cloud = Cloud(world(read_settings(None, OF_MACHINES).candidates))
    use(cloud)
    codes = [invoke(*MACHINES, *options).exit_code for options in (["--plan"], ["--simulated"], [])]
    assert (codes, list(stack_files.iterdir())) == ([0, 5, 1], [])
    result = invoke(*MACHINES, "--yes")
    assert result.exit_code == 0, result.output
    assert "2xn4-highcpu-8: costs 0." in result.stderr, "what it costs is said of each, as of any stack"
    written = ["Pulumi.2xn4-highcpu-8.yaml", "Pulumi.4xn4-highcpu-4.yaml"]
    assert sorted(path.name for path in stack_files.iterdir()) == written
    assert "Wrote stacks/Pulumi.4xn4-highcpu-4.yaml, stacks/Pulumi.2xn4-highcpu-8.yaml." in result.stderr
    assert "at most 0.1 % failed: 4xn4-highcpu-4, " in result.stdout
    assert cloud.up_since_s == {}


def test_machine_types_are_the_same_before_and_after_a_shell_has_expanded_them(use: Use, stack_files: Path) -> None:
    use(Cloud(world(read_settings(None, OF_MACHINES).candidates)))
    expanded = ("--machine", "n4-highcpu-4", "n4-highcpu-8", "--total-vcpus", "16")
    repeated = ("--machine=n4-highcpu-4", "--machine=n4-highcpu-8", "--total-vcpus=16")
    said = {invoke(*words, "--plan").stdout.splitlines()[0] for words in (MACHINES, expanded, repeated)}
    assert len(said) == 1
    assert said.pop().startswith("2 candidates on 4xn4-highcpu-4, 2xn4-highcpu-8, with")


def test_words_without_an_option_are_no_machines(use: Use, cloud: Cloud) -> None:
    use(cloud)
    result = invoke("n4-highcpu-4", "n4-highcpu-8")
    assert result.exit_code == 1
    assert "n4-highcpu-4, n4-highcpu-8 are given without an option" in result.stderr


def test_a_sweep_of_machines_is_resumed_also_where_a_stack_file_was_deleted(use: Use, stack_files: Path) -> None:
    cloud = Cloud(world(read_settings(None, OF_MACHINES).candidates))
    presses = use(cloud)
    presses |= {"measure": 2, "destroy": 1}
    assert invoke(*MACHINES, "--yes").exit_code == 130
    before = len(cloud.runs)
    presses.clear()
    path = stack_files / "Pulumi.2xn4-highcpu-8.yaml"
    text = path.read_text()
    path.unlink()
    result = invoke("--resume", "--yes")
    assert result.exit_code == 0, result.output
    assert path.read_text() == text
    assert len({(key, block) for key, block, _ in cloud.runs}) == len(cloud.runs) > before
    assert cloud.up_since_s == {}


def test_a_stack_file_that_cannot_be_written_is_an_error_before_anything_is_created(
    use: Use, stack_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Cloud(world(read_settings(None, OF_MACHINES).candidates))
    use(cloud)

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("sweep.machines.write_new_file", full)
    result = invoke(*MACHINES, "--yes")
    assert result.exit_code == 1
    assert "(No space left on device: " in result.stderr
    assert not sweeps()
    assert not cloud.runs


def test_a_machine_series_that_the_project_does_not_get_is_an_error_before_anything_is_created(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cloud)

    def refuse(*_: object) -> Room:
        raise LastingError("The quota CPUS_PER_VM_FAMILY of N4 is 0")

    monkeypatch.setattr(command, "room_of", refuse)
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 1
    assert "of N4 is 0" in result.stderr
    assert not sweeps()


def test_a_sweep_that_is_interrupted_destroys_all_and_can_be_resumed(use: Use, cloud: Cloud) -> None:
    presses = use(cloud)
    presses |= {"measure": 4}
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 4, result.output
    assert "again to end at once" in result.stderr
    assert "Not decided" in result.stdout
    assert cloud.up_since_s == {}
    before = len(cloud.runs)
    assert before > 0

    presses.clear()
    result = invoke("--resume", sweeps()[0].name, "--yes")
    assert result.exit_code == 0, result.output
    assert "Cheapest" in result.stdout
    assert len({(key, block) for key, block, _ in cloud.runs}) == len(cloud.runs) > before


def test_interrupted_twice_a_sweep_ends_at_once_and_says_how_to_destroy(use: Use, cloud: Cloud) -> None:
    presses = use(cloud)
    presses |= {"measure": 4, "destroy": 1}
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 130
    assert "tools/take_down" in result.stderr


def test_before_a_sweep_goes_on_it_says_what_it_cost_and_what_is_up_and_needs_consent(use: Use, cloud: Cloud) -> None:
    presses = use(cloud)
    presses |= {"measure": 4, "destroy": 1}
    invoke(*AXES, "--yes")
    up, runs = sorted(cloud.up_since_s), list(cloud.runs)
    assert up

    presses.clear()
    result = invoke("--resume", "--max-usd", "20")
    assert result.exit_code == 1
    assert f"has {len(runs)} run" in result.stdout
    assert f"Up now: {', '.join(up)}." in result.stdout
    assert re.search(r"has cost [\d.]+ USD of the [\d.]+ USD expected", result.stdout)
    assert "costs 0.74 USD an hour while it is up" in result.stderr
    assert "before it exceeds 20.00 USD" in result.stderr
    assert "this command created nothing; give --yes" in result.stderr
    for stack in up:
        assert (
            f"{stack} may be up from before and cost money: go on with --resume, or run tools/take_down {stack}"
            in result.stderr
        )
    assert cloud.runs == runs

    result = invoke("--resume", "--yes")
    assert result.exit_code == 0, result.output
    assert "20.00 USD" not in result.output, "a limit that was not agreed to is not kept"
    assert cloud.up_since_s == {}


class Closed(SimulatedFleet):
    """A fleet that cannot begin."""

    async def check(self, stacks: Collection[str]) -> None:
        raise LastingError(f"no plugin for {', '.join(stacks)}")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--yes"], "no plugin for"),
        (["--yes", "--max-usd", "0"], "--max-usd is 0"),
        ([], "you did not agree"),
    ],
    ids=["a fleet that cannot begin", "a limit that is none", "Ctrl-C at the question"],
)
def test_a_resumption_that_cannot_begin_says_how_to_destroy_what_is_up(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    presses = use(cloud)
    presses |= {"measure": 4, "destroy": 1}
    invoke(*AXES, "--yes")
    up = sorted(cloud.up_since_s)
    assert up

    def abort(*_: object, **_more: object) -> None:
        raise typer.Abort

    presses.clear()
    with monkeypatch.context() as patch:
        patch.setattr(command, "PulumiFleet", lambda *_: Closed(cloud))
        patch.setattr(typer, "confirm", abort)
        patch.setattr(command, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
        result = invoke("--resume", *options)
    assert result.exit_code == 1
    assert says in result.stderr
    for stack in up:
        assert f"run tools/take_down {stack}" in result.stderr
    result = invoke("--resume", "--yes")
    assert result.exit_code == 0, result.output
    assert cloud.up_since_s == {}


def test_a_terminal_that_is_closed_hangs_up_twice_and_all_stacks_are_destroyed(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    presses = use(cloud)
    monkeypatch.setattr(Fleet, "pressed", signal.SIGHUP)
    presses |= {"measure": 4, "destroy": 1}
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 4, result.output
    assert cloud.up_since_s == {}


def test_a_sweep_that_nohup_started_does_not_hear_the_terminal_hang_up(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    presses = use(cloud)
    monkeypatch.setattr(Fleet, "pressed", signal.SIGHUP)
    presses |= {"measure": 4}
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = invoke(*AXES, "--yes")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert result.exit_code == 0, result.output


def test_stacks_that_do_not_fit_into_a_quota_together_are_named_before_consent(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cloud)
    of_each = {"2cpu-4gb": {"quota CPUS": 20.0}, "8cpu-16gb": {"quota CPUS": 18.0}}
    monkeypatch.setattr(command, "room_of", lambda *_: Room({"quota CPUS": 24.0}, of_each))
    result = invoke(*AXES)
    assert result.exit_code == 1
    assert "so some wait until others are destroyed. quota CPUS: 38 needed for 2 stacks at once, 24 free" in " ".join(
        result.stderr.split()
    )


def test_a_quota_that_google_does_not_list_is_named_before_consent(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cloud)
    of_each = {"2cpu-4gb": {"quota CPUS_PER_VM_FAMILY": 20.0}, "8cpu-16gb": {"quota CPUS_PER_VM_FAMILY": 18.0}}
    monkeypatch.setattr(command, "room_of", lambda *_: Room({}, of_each))
    assert (
        "Not checked, because Google's list of quotas lacks it: quota CPUS_PER_VM_FAMILY: 38 needed for 2 stacks at"
        " once. `shapebench preflight --stack STACK` says where to see it."
    ) in " ".join(invoke(*AXES).stderr.split())


def interrupted_with_stacks_up(presses: Presses, cloud: Cloud) -> Path:
    """The folder of a sweep that was interrupted twice."""
    presses |= {"measure": 4, "destroy": 1}
    invoke(*AXES, "--yes")
    presses.clear()
    assert cloud.up_since_s
    return sweeps()[0]


def flip(path: Path) -> None:
    """A bit of the capacity of the first run."""
    content = bytearray(path.read_bytes())
    at = content.index(b"simulated-1")
    content[at + len("simulated-1") + 3] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit": flip,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, 5000),
    "gone": Path.unlink,
    "another file": lambda path: path.write_text("no database" * 1000),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_journal_gives_no_answer_and_its_stacks_are_destroyed(
    use: Use, cloud: Cloud, damage: Callable[[Path], object]
) -> None:
    folder = interrupted_with_stacks_up(use(cloud), cloud)
    damage(folder / "journal.sqlite")
    result = invoke("--resume", "--yes")
    assert result.exit_code == 4, result.output
    assert "is damaged" in result.stderr or "is not a journal" in result.stderr
    assert "its stacks are destroyed: 2cpu-4gb, 8cpu-16gb" in result.stderr
    assert "gives no answer, because its journal is damaged" in result.stdout
    assert "Cheapest" not in result.stdout
    assert cloud.up_since_s == {}


def test_stacks_of_a_damaged_journal_that_cost_money_are_destroyed_with_consent_or_named(
    use: Use, cloud: Cloud
) -> None:
    folder = interrupted_with_stacks_up(use(cloud), cloud)
    flip(folder / "journal.sqlite")
    result = invoke("--resume")
    assert result.exit_code == 1
    assert "give --yes" in result.stderr
    assert "this destroys them, too: tools/take_down 2cpu-4gb; tools/take_down 8cpu-16gb" in result.stderr
    assert f"`shapebench sweep --resume {folder.name}` destroys its stacks" in invoke("--list").stderr


def test_a_full_disk_does_not_keep_a_resumed_sweep_from_destroying_its_stacks(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_with_stacks_up(use(cloud), cloud)
    runs = list(cloud.runs)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Database, "_replace", full)
    result = invoke("--resume", "--yes", "--max-usd", "20")
    assert result.exit_code == 4, result.output
    assert "cannot be written (database or disk is full)" in result.stderr
    assert cloud.up_since_s == {}
    assert cloud.runs == runs


def test_a_run_that_was_deleted_before_the_sweep_goes_on_is_measured_again(use: Use, cloud: Cloud) -> None:
    folder = interrupted_with_stacks_up(use(cloud), cloud)
    lost = cloud.runs.pop(0)
    result = invoke("--resume", "--yes")
    assert result.exit_code == 0, result.output
    assert "does not count, and is to be made again: simulated: the results store does not have it" in result.stderr
    assert (lost[0], lost[1]) in {(key, block) for key, block, _ in cloud.runs}
    assert folder == sweeps()[0]


class Forgetful(Fleet):
    """Its results store loses all runs of one stack before the sweep's end."""

    async def destroy(self, stack: str, report: Report) -> None:
        await super().destroy(stack, report)
        self._cloud.runs = [run for run in self._cloud.runs if run[0] not in self._of("2cpu-4gb")]

    def _of(self, stack: str) -> set[str]:
        return {candidate.key for candidate in read_settings(None, OPTIONS).candidates if candidate.stack == stack}


def test_an_answer_does_not_rest_on_runs_that_the_results_store_has_lost(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cloud)
    monkeypatch.setattr(command, "PulumiFleet", lambda *_: Forgetful(cloud, {}))
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 4, result.output
    assert "runs are missing in the results store" in result.stdout
    assert "Cheapest" not in result.stdout
    monkeypatch.setattr(command, "PulumiFleet", lambda *_: Fleet(cloud, {}))
    result = invoke("--resume", "--yes")
    assert result.exit_code == 0, result.output
    assert "Cheapest" in result.stdout


def test_where_a_stack_fails_the_others_go_on_and_the_exit_code_says_so(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cloud)
    monkeypatch.setattr(command, "PulumiFleet", lambda *_: Refusing(cloud))
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 6, result.output
    assert "8cpu-16gb · interop4 failed and was left out: the server ends at once" in result.stderr
    assert ": 2cpu-4gb · interop2, " in result.stdout
    assert cloud.up_since_s == {}


def test_what_failed_is_tried_again_by_the_command_that_the_answer_names(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cloud)
    with monkeypatch.context() as patch:
        patch.setattr(command, "PulumiFleet", lambda *_: Refusing(cloud))
        result = invoke(*AXES, "--yes")
    assert f"tries what failed again: shapebench sweep --resume {sweeps()[0].name}" in result.stderr
    before = list(cloud.runs)

    result = invoke("--resume", sweeps()[0].name, "--yes")
    assert result.exit_code == 0, result.output
    assert "was left out" not in result.stderr
    assert cloud.runs[: len(before)] == before
    assert {key for key, _, _ in cloud.runs} == cloud.world.capacity_rps.keys()


def test_after_a_mistake_in_the_program_nothing_is_up_and_the_answer_has_its_traceback(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(SimulatedFleet):
        async def measure(self, task: Measure, report: Report) -> Measured:
            if cloud.runs:
                raise ZeroDivisionError
            return await super().measure(task, report)

    use(cloud)
    monkeypatch.setattr(command, "PulumiFleet", lambda *_: Wrong(cloud))
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 4, result.output
    assert "Traceback (most recent call last)" in result.stderr
    assert "there was an error in shapebench itself: ZeroDivisionError()" in result.stderr
    assert "the sweep ended too early: an error in shapebench itself." in result.stdout
    assert cloud.up_since_s == {}


def test_neither_a_view_that_fails_at_its_end_nor_a_full_disk_hides_the_answer(
    use: Use, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def broken(_settings: object) -> Iterator[Observer]:
        yield lambda _: None
        raise OSError("the terminal is gone")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    use(cloud)
    monkeypatch.setattr("shapebench.sweeps.run.watched", broken)
    monkeypatch.setattr(command, "write_outcome", full)
    result = invoke(*AXES, "--yes")
    assert result.exit_code == 0, result.output
    assert "OSError: the terminal is gone" in result.stderr
    assert "the outcome was not written into " in result.stderr
    assert "Cheapest with p99 within 500 ms" in result.stdout
    assert cloud.up_since_s == {}


def test_max_usd_below_one_run_creates_nothing(use: Use, cloud: Cloud) -> None:
    use(cloud)
    result = invoke(*AXES, "--yes", "--max-usd", "0.01")
    assert result.exit_code == 4
    assert "--max-usd reached" in result.stdout
    assert not cloud.runs
    assert cloud.usd == 0


def test_the_list_names_each_sweep_with_its_runs_and_what_is_up(use: Use, cloud: Cloud) -> None:
    use(cloud)
    assert "there is no sweep yet" in invoke("--list").stderr
    invoke(*AXES, "--yes")
    (line,) = invoke("--list").stdout.splitlines()[1:]
    assert line.split()[0] == sweeps()[0].name
    assert line.split()[-1] == "none"


def test_a_list_of_sweeps_that_cannot_be_read_does_not_say_that_there_is_none(use: Use, cloud: Cloud) -> None:
    use(cloud)
    invoke(*AXES, "--yes")
    for journal in sweeps()[0].iterdir():
        journal.write_bytes(b"not a journal")
    said = invoke("--list").stderr
    assert "skipped:" in said
    assert "stacks of the skipped ones may be up and cost money: look with `pulumi stack ls`" in said


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--resume", "--plan"), "--resume and --plan exclude each other"),
        (("20261127-005501",), "which only --resume takes"),
        (("--resume",), "there is no sweep to resume"),
        (("--resume", "--inter-op", "2"), "with --resume only --max-usd"),
        (("--resume", "20261127-005501"), "There is no sweep 20261127-005501"),
        ((), "--stack is not given"),
    ],
)
def test_an_error_is_one_line_with_the_fix(use: Use, cloud: Cloud, arguments: tuple[str, ...], part: str) -> None:
    use(cloud)
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert part in result.stderr
