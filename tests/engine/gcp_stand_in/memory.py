"""What the stand-in remembers on disk, for all its processes: resources, faults to come, and what was asked of it."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

VARIABLE = "SHAPEBENCH_GCP_STAND_IN"

Operation = Literal["create", "update", "delete", "read"]
# quota and rate-limit: nothing happens but the error. half-way: it is made, but not whole, and the error is reported.
# slow: it takes `seconds`, and goes on when the one who asked is gone.
Effect = Literal["quota", "rate-limit", "half-way", "slow"]


@dataclass(frozen=True)
class Fault:
    """What is to go wrong with the next `times` operations on resources whose URN ends so."""

    effect: Effect
    urn_end: str
    operation: Operation = "create"
    times: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Memory:
    """One folder; each change is made under a lock."""

    folder: Path

    @contextmanager
    def resources(self) -> Iterator[dict[str, Any]]:
        """All resources by type and id; what is changed in them is kept."""
        with self._locked("resources.json", {}) as content:
            yield content

    def expect(self, *faults: Fault) -> None:
        with self._locked("faults.json", []) as content:
            content[:] = [fault.__dict__ for fault in faults]

    def take_fault(self, operation: Operation, urn: str) -> Fault | None:
        with self._locked("faults.json", []) as content:
            for fault in content:
                if fault["times"] > 0 and fault["operation"] == operation and urn.endswith(fault["urn_end"]):
                    fault["times"] -= 1
                    return Fault(**fault)
        return None

    def hand_out(self, address: str, ca_certificate: str, token: str) -> None:
        """Say which API server is that of every cluster made from now on."""
        content = {"address": address, "ca_certificate": ca_certificate, "token": token}
        self._write("control-plane.json", content)

    def control_plane(self) -> dict[str, str]:
        """What `hand_out` said; a server that does not exist otherwise."""
        nowhere = {"address": "192.0.2.1", "ca_certificate": "", "token": ""}
        path = self.folder / "control-plane.json"
        return json.loads(path.read_text()) if path.exists() else nowhere

    def log(self, operation: str, **facts: Any) -> None:
        line = {"stand_in": "gcp", "at": round(time.time(), 3), "operation": operation, **facts}
        with (self.folder / "operations.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def operations(self) -> list[dict[str, Any]]:
        path = self.folder / "operations.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @contextmanager
    def _locked(self, name: str, empty: Any) -> Iterator[Any]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.folder / name
            content = json.loads(path.read_text()) if path.exists() else empty
            before = json.dumps(content)
            yield content
            if json.dumps(content) != before:
                self._write(name, content)

    def _write(self, name: str, content: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{name}.new"
        temporary.write_text(json.dumps(content, indent=1))
        temporary.replace(self.folder / name)
