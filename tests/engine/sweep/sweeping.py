"""A sweep of real stacks in a checkout of its own, and the process that runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from analysis.results.manifest import Manifest
from analysis.results.store import ResultsStore
from stacks.load_profiles import CapacitySearch
from stacks.serving_variant import ServingSettings
from sweep.candidates import Candidate
from sweep.journal.journal import Journal
from sweep.journal.records import Record
from sweep.settings import SweepSettings
from tests.engine.harness import CHECKOUT

# No answer is as fast, so each rate misses the objective, and the search ends within seconds with an upper bound.
LOAD = CapacitySearch(
    quantile=0.5, latency_ms=0.01, error_ratio=0.5, lowest_rps=1, highest_rps=50, precision=0.5, max_in_flight=64,
    warmup_s=1, duration_s=20,
)  # fmt: skip


def candidate(stack: str, inter_op: int) -> Candidate:
    serving = ServingSettings(protocol="rest", inter_op=inter_op)
    return Candidate(label=f"{stack}, inter_op {inter_op}", stack=stack, serving=serving, server=None, load=LOAD)


def checkout_with(folder: Path, stacks: Mapping[str, Mapping[str, Any]]) -> Path:
    """This checkout with other stack files, by the name of the stack, and a state of its own."""
    (folder / "stacks").mkdir(parents=True)
    for child in CHECKOUT.iterdir():
        if child.name not in {"stacks", ".git", ".state", "results"}:
            (folder / child.name).symlink_to(child)
    for name, config in stacks.items():
        (folder / f"stacks/Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": dict(config)}))
    return folder


@dataclass
class Sweep:
    """One sweep, and its process while there is one; `output` is what its processes printed."""

    checkout: Path
    environment: Mapping[str, str]
    candidates: Sequence[Candidate]
    changes: Mapping[str, Any] = field(default_factory=dict)
    name: str = "01SWEEP"

    def __post_init__(self) -> None:
        self.folder = self.checkout / ".state/sweeps" / self.name
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        settings = SweepSettings(candidates=tuple(self.candidates), results=str(self.results), **self.changes)
        self.folder.with_suffix(".json").write_text(settings.model_dump_json())

    @property
    def results(self) -> Path:
        return self.checkout / "results"

    @property
    def output(self) -> str:
        path = self.folder.with_suffix(".out")
        return path.read_text() if path.exists() else ""

    def start(self) -> "subprocess.Popen[bytes]":
        with self.folder.with_suffix(".out").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.engine.sweep.run_sweep", str(self.checkout), str(self.folder)],
                cwd=CHECKOUT,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run(self, timeout_s: float = 300) -> None:
        process = self.start()
        try:
            assert process.wait(timeout_s) == 0, self.output
        finally:
            process.send_signal(signal.SIGKILL)

    def records(self) -> list[Record]:
        journal = Journal.open(self.folder)
        try:
            return list(journal.records)
        finally:
            journal.close()

    def runs(self) -> list[Manifest]:
        scan = ResultsStore(str(self.results)).scan() if self.results.exists() else None
        return list(scan.manifests) if scan else []
