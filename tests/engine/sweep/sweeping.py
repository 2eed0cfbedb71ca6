"""`shapebench sweep` in a checkout of its own: one process after the other, which a test can kill or interrupt."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
import yaml

from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from sweep.journal.journal import FILE, Journal
from sweep.journal.records import Record
from tests.engine.harness import CHECKOUT, Stack

# No answer is as fast, so each rate misses the objective, and the search ends within seconds with an upper bound.
_OBJECTIVE = {"p90": "0.01ms", "errors": "50%"}
_LOAD = {"lowestRps": 3, "highestRps": 50, "precision": 0.5, "maxInFlight": 64, "warmupS": 1, "durationS": 20}
# How the answer says that there is no cheapest candidate.
NO_CHEAPEST = "No candidate is known to meet the objective, p90 within 0.01 ms and at most 50 % failed."
# What the files of stacks on this machine and on a node have in common.
SMALL_STACK: dict[str, Any] = {
    "shapebench:shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
    "shapebench:serving": {"protocol": "rest", "interOp": 2},
    "shapebench:load": {"profile": "smoke"},
    "shapebench:model": {"weights": "random"},
}
_SWEEP_FILE = "sweep.yaml"
_LINKED = (".venv", ".tools", ".cache")
# Not in a checkout that is copied: what a user has made in this one.
_MADE = {"results", "report", "build", "export"}


@dataclass(frozen=True)
class Process:
    """A `shapebench sweep`. What it prints goes to a file: its notes, then the answer."""

    process: "subprocess.Popen[bytes]"
    printed: Path

    @property
    def output(self) -> str:
        return self.printed.read_text()

    def exit_code(self, within_s: float = 300) -> int:
        """Wait for its end."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the sweep has not ended within {within_s} s: {self.output}") from None

    def press_ctrl_c(self) -> None:
        """Interrupt the process and all others of its group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """`kill -9` of the sweep alone."""
        self.process.kill()
        self.process.wait()

    def crash(self) -> None:
        """End it and all that it has started, as a power cut does."""
        if self.process.poll() is None:
            of_sweep = psutil.Process(self.process.pid)
            for child in [of_sweep, *of_sweep.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        self.process.wait()


class Sweeps:
    """The sweeps of a copy of this checkout, with other stack files, and a backend and a results store of its own.

    A context manager: at its end no process of a sweep runs. `stacks` are configurations by the name of the stack.
    """

    def __init__(
        self, checkout: Path, stacks: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] | None = None
    ) -> None:
        self.checkout = checkout
        self._environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{checkout}/.state",
            "PULUMI_CONFIG_PASSPHRASE": "engine-tier",
            **(environment or {}),
        }
        self._processes: list[Process] = []
        _copy_checkout(checkout, stacks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.crash()

    def start(self, *arguments: str) -> Process:
        """Run `shapebench sweep` with these arguments."""
        printed = self.checkout / f"printed-{len(self._processes)}"
        with printed.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "shapebench", "sweep", *arguments],
                cwd=self.checkout,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(Process(process, printed))
        return self._processes[-1]

    def start_new(self, stacks: Sequence[str], *arguments: str, inter_op: Sequence[int] = (2,)) -> Process:
        """Begin a sweep of these stacks by a file, which measures each candidate once."""
        settings = {
            "stacks": list(stacks), "interOp": list(inter_op), "objectives": [_OBJECTIVE], "load": _LOAD,
            "strategy": "grid", "blocks": 1,
        }  # fmt: skip
        (self.checkout / _SWEEP_FILE).write_text(yaml.safe_dump(settings))
        return self.start("--file", _SWEEP_FILE, *arguments)

    @property
    def folder(self) -> Path:
        """That of the newest sweep."""
        return max((self.checkout / ".state/sweeps").glob(f"*/{FILE}")).parent

    def records(self) -> list[Record]:
        """The records of the newest sweep, which must not run."""
        journal = Journal.open(self.folder)
        try:
            return list(journal.records)
        finally:
            journal.close()

    def valid_runs(self) -> list[Manifest]:
        """The runs in the results store that count. On a busy machine one can be invalid, and is made again."""
        return self._runs("valid")

    def invalid_runs(self) -> list[Manifest]:
        """The runs in the results store that do not count."""
        return self._runs("invalid")

    def _runs(self, verdict: str) -> list[Manifest]:
        results = self.checkout / "results"
        manifests = ResultsStore(str(results)).scan().manifests if results.exists() else ()
        return [run for run in manifests if run.validity.verdict == verdict]


def sweeps_of_shapes(stack: Stack, shapes: Mapping[str, tuple[str, int]]) -> Sweeps:
    """Sweeps of stacks that are as this one, but for their machine type and number of nodes."""
    own = stack.providers_config | {f"shapebench:{key}": value for key, value in stack.config.items()}
    stacks = {
        name: own | {"shapebench:shape": {"machineType": machine, "nodes": nodes}}
        for name, (machine, nodes) in shapes.items()
    }
    return Sweeps(stack.home / "checkout", stacks, stack.environment)


def _copy_checkout(folder: Path, stacks: Mapping[str, Mapping[str, Any]]) -> None:
    """Files, not links to them: the command finds its checkout by where its own files are."""
    folder.mkdir(parents=True)
    for child in CHECKOUT.iterdir():
        if child.is_file():
            shutil.copy2(child, folder)
        elif child.name not in _MADE and not child.name.startswith("."):
            shutil.copytree(child, folder / child.name, ignore=shutil.ignore_patterns(".*"))
    (folder / ".state").mkdir()
    (CHECKOUT / ".cache").mkdir(exist_ok=True)  # what it exports is for all copies
    for name in _LINKED:
        (folder / name).symlink_to(CHECKOUT / name)
    for path in (folder / "stacks").glob("Pulumi.*.yaml"):
        path.unlink()
    for name, config in stacks.items():
        (folder / f"stacks/Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": dict(config)}))
