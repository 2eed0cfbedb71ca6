"""Builds Pulumi and its Python language host with Go, from the modules that `tools/go/go.sum` pins."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.console import SetupError, run_step
from tools.pins import Pins, Version, parse_version, show_version

_CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_SDK = "github.com/pulumi/pulumi/sdk/v3"
_VERSION_VARIABLE = f"{_SDK}/go/common/version.Version"
# Scripts that are copied from the SDK's module.
_SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
# Since this version Go downloads the newer Go that a module requires, unless GOTOOLCHAIN forbids it.
_SELF_UPGRADING: Version = (1, 21, 0)


def sources(root: Path) -> list[Path]:
    """All files that the build of Pulumi depends on."""
    return [path for path in (root / "tools/go").rglob("*") if path.is_file()]


def go_needed(root: Path) -> Version:
    """The Go version that the pinned modules require."""
    version = parse_version(re.search(r"^go \S+$", (root / "tools/go/go.mod").read_text(), re.MULTILINE)[0])  # type: ignore[index]  # go.mod always has it
    assert version is not None
    return version


def why_go_cannot(root: Path) -> str | None:
    """Why the Go on PATH cannot build them; None if it can."""
    needed = show_version(go_needed(root))
    if shutil.which("go") is None:
        return f"there is no Go on PATH ({needed} or later)"
    printed = subprocess.run(
        ["go", "env", "GOVERSION", "GOTOOLCHAIN"],  # noqa: S607 (the Go that PATH names is meant)
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    found, _, toolchain = printed.stdout.strip().partition("\n")
    version = parse_version(found)
    if version is None:
        return f"`go env GOVERSION` prints no version: {printed.stderr.strip() or 'the Go on PATH is too old'}"
    if version >= go_needed(root) or (version >= _SELF_UPGRADING and not toolchain.startswith("local")):
        return None
    return f"the Go on PATH is {show_version(version)}, and the build needs {needed} or later"


def build(root: Path, pins: Pins, into: Path) -> None:
    """Build the Pulumi command line and its Python host into a folder. Go verifies the modules' checksums."""
    module = root / "tools/go"
    for name, package in (("pulumi", _CLI), ("pulumi-language-python", "./language-python")):
        title = f"building {name} {pins.pulumi} with Go" + (", which takes some minutes" if package == _CLI else "")
        compile_package(title, package, module=module, variables={_VERSION_VARIABLE: f"v{pins.pulumi}"},
                        into=into / name, log=root / f".tools/log/build-{name}.log")  # fmt: skip
    sdk = Path(module_field(module, _SDK, "Dir"))
    for script in _SCRIPTS:
        target = into / Path(script).name
        target.write_bytes((sdk / script).read_bytes())
        target.chmod(0o755)
    version = [str(into / "pulumi"), "version"]
    done = subprocess.run(version, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(
            f"the built Pulumi does not run, so it is not installed: `pulumi version` failed: {done.stderr.strip()};"
            " correct the build in tools/gobuild.py"
        )
    if (printed := done.stdout.strip()) != f"v{pins.pulumi}":
        raise SetupError(
            f"the built Pulumi prints version {printed!r} and not v{pins.pulumi}, so it is not installed: the linker's"
            f" `-X {_VERSION_VARIABLE}=…` had no effect; correct the name in tools/gobuild.py"
        )


def compile_package(  # noqa: PLR0913 - as many as a build has
    title: str, package: str, *, module: Path, variables: Mapping[str, str], into: Path, log: Path, tags: str = ""
) -> None:
    """Build one program of a module into a file, with these string variables and build tags set."""
    link = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])
    run_step(
        title,
        ["go", "build", "-v", "-tags", tags, "-ldflags", link, "-o", str(into), package],
        log=log,
        describe=_build_progress,
        cwd=module,
        environment=_environment(),
    )


def module_field(module: Path, requirement: str, field: str) -> str:
    """A field (`Dir`, `Version`) of a module's requirement, which Go downloads if it is not in its cache."""
    downloaded = subprocess.run(
        ["go", "mod", "download", "-json", requirement],  # noqa: S607 (the Go that PATH names is meant)
        cwd=module,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if downloaded.returncode != 0:
        raise SetupError(
            f"Go cannot download {requirement}, so nothing is built from it. Correct the cause, then run the same"
            f" command again. Go says:\n{downloaded.stdout}{downloaded.stderr}"
        )
    return str(json.loads(downloaded.stdout)[field])


def _environment() -> dict[str, str]:
    return os.environ | {
        "CGO_ENABLED": "0",  # like the official releases, and without a C compiler
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GOWORK": "off",
    }


def _build_progress(count: int, line: str) -> str:
    if line.startswith("go: downloading"):
        return f"downloading {' '.join(line.split()[2:])}"
    return f"{count} packages compiled, now {line}"
