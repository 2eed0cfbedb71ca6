"""Programs of the tests that are built from one Go package each, of modules that a `go.sum` pins."""

import os
from dataclasses import dataclass
from pathlib import Path

from tools import gobuild
from tools.console import SetupError
from tools.pins import show_version
from tools.stamps import content_key, read_stamp, unfinished_folder, write_stamp


@dataclass(frozen=True)
class GoProgram:
    """One program: `module` is its folder in the checkout, `used_by` says what cannot run without it.

    It is not on PATH, so that only tests use it. `tags` are Go's build tags, which leave parts out.
    """

    name: str
    package: str
    requirement: str
    module: str
    used_by: str
    tags: str = ""

    def file(self, root: Path) -> Path:
        return root / ".tools" / self.name / self.package.rpartition("/")[2]

    def is_installed(self, root: Path) -> bool:
        """Whether it was built from the current modules."""
        return os.access(self.file(root), os.X_OK) and read_stamp(self._stamp(root)).get("key") == self.key(root)

    def ensure(self, root: Path) -> bool:
        """Build it if it is missing or outdated; returns whether it was."""
        if self.is_installed(root):
            return False
        if obstacle := gobuild.why_go_cannot(root):
            raise SetupError(
                f"{self.name} is built from Go modules, but {obstacle}, so {self.used_by} cannot run. Install Go"
                f" {show_version(gobuild.go_needed(root))} or later (https://go.dev/dl/), then run it again."
            )
        module = root / self.module
        version = gobuild.module_field(module, self.requirement, "Version")
        into = self.file(root)
        with unfinished_folder(root) as scratch:
            built = scratch / into.name
            gobuild.compile_package(
                f"building {into.name} {version} with Go",
                self.package,
                module=module,
                variables={},
                into=built,
                log=root / f".tools/log/build-{into.name}.log",
                tags=self.tags,
            )
            into.parent.mkdir(parents=True, exist_ok=True)
            self._stamp(root).unlink(missing_ok=True)
            built.replace(into)
            write_stamp(self._stamp(root), {"key": self.key(root)})
        return True

    def key(self, root: Path) -> str:
        """What a current stamp says."""
        return content_key((root / self.module).iterdir())

    def _stamp(self, root: Path) -> Path:
        return root / ".tools" / self.name / "program.stamp"


OBJECT_STORE = GoProgram(
    name="object-store",
    package="github.com/fsouza/fake-gcs-server",
    requirement="github.com/fsouza/fake-gcs-server",
    module="tests/support/object_store/server",
    used_by="the tests of a results store in a bucket",
)
PROMETHEUS = GoProgram(
    name="prometheus",
    package="github.com/prometheus/prometheus/cmd/prometheus",
    requirement="github.com/prometheus/prometheus",
    module="tests/support/prometheus/server",
    used_by="the tests of a run's live metrics",
    # It looks for nothing to ask: no Kubernetes, no cloud.
    tags="remove_all_sd",
)
