import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tools.pins import ROOT
from tools.pulumi_cli import installed_source

pytestmark = pytest.mark.skipif(
    installed_source(ROOT) != "build",
    reason="this Pulumi brings its own Python language host, which is not ours to test",
)

PROGRAM = """
import os, pathlib, sys
import pulumi

config = pulumi.Config()
pulumi.export("python", sys.executable)
pulumi.export("secret", config.get_secret("secret"))
pulumi.export("arguments", " ".join(pathlib.Path("/proc/self/cmdline").read_text().split(chr(0))))
match config.get("mode"):
    case "raise":
        raise ValueError("raised on purpose")
    case "exit":
        sys.exit(3)
    case "component":
        pulumi.export("component", pulumi.ComponentResource("parts:index:Part", "part", {}, remote=True).urn)
"""
PLUGIN = """
import pulumi
from pulumi.provider.experimental import component_provider_host

class PartArgs:
    pass

class Part(pulumi.ComponentResource):
    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("parts:index:Part", name, {}, opts)
        self.register_outputs({})

component_provider_host(name="parts", components=[Part])
"""


@dataclass(frozen=True)
class Project:
    """A Pulumi project of its own, with a backend beside it."""

    folder: Path

    def write(self, options: str) -> None:
        plugins = "{providers: [{name: parts, path: plugin}]}"
        text = f"name: host\nruntime: {{name: python, options: {options}}}\nplugins: {plugins}\n"
        (self.folder / "Pulumi.yaml").write_text(text)

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / ".tools/bin/pulumi", "--non-interactive", *arguments, "--stack", "test"],
            cwd=self.folder,
            env=os.environ
            | {
                "PATH": f"{ROOT / '.tools/bin'}:{os.environ['PATH']}",
                "PULUMI_BACKEND_URL": f"file://{self.folder}",
                "PULUMI_CONFIG_PASSPHRASE": "engine-tier",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def preview(self, mode: str = "") -> tuple[int, str]:
        outcome = self.pulumi("preview", "--config", f"host:mode={mode}")
        return outcome.returncode, outcome.stdout + outcome.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("host"))
    (project.folder / "__main__.py").write_text(PROGRAM)
    (project.folder / "plugin").mkdir()
    (project.folder / "plugin/__main__.py").write_text(PLUGIN)
    (project.folder / "plugin/PulumiPlugin.yaml").write_text(
        f"runtime: {{name: python, options: {{toolchain: pip, virtualenv: {ROOT}/.venv}}}}\n"
    )
    (project.folder / "plugin/requirements.txt").touch()
    project.write(f"{{toolchain: pip, virtualenv: {ROOT}/.venv}}")
    assert project.pulumi("stack", "init").returncode == 0
    return project


def test_a_program_runs_in_its_environment_and_its_secrets_reach_no_argument(project: Project):
    assert project.pulumi("config", "set", "--secret", "secret", "hunter2").returncode == 0
    up = project.pulumi("up", "--yes")
    assert up.returncode == 0, up.stdout + up.stderr
    outputs = json.loads(project.pulumi("stack", "output", "--json", "--show-secrets").stdout)
    assert outputs["python"] == str(ROOT / ".venv/bin/python")
    assert outputs["secret"] == "hunter2"
    assert "hunter2" not in outputs["arguments"]
    again = project.pulumi("preview", "--expect-no-changes")
    assert again.returncode == 0, again.stdout + again.stderr


def test_about_names_the_python_of_the_programs_environment(project: Project):
    about = json.loads(project.pulumi("about", "--json").stdout)
    version = ".".join(map(str, sys.version_info[:3]))  # the tests run in the same environment
    assert about["runtime"] == {"executable": str(ROOT / ".venv/bin/python"), "language": "python", "version": version}


def test_an_exception_is_shown_once_as_the_programs(project: Project):
    status, said = project.preview("raise")
    assert status != 0
    assert "ValueError: raised on purpose" in said
    assert "exited with status" not in said


def test_a_program_that_exits_by_itself_is_reported_with_its_status(project: Project):
    status, said = project.preview("exit")
    assert status != 0
    assert "the Python program exited with status 3" in said


def test_a_component_provider_in_python_is_run_and_ended(project: Project):
    status, said = project.preview("component")
    assert status == 0, said
    assert "parts:index:Part" in said
    plugin = str(project.folder / "plugin")
    assert not [process for process in psutil.process_iter(["cmdline"]) if plugin in (process.info["cmdline"] or [])]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("{toolchain: pip, virtualenv: gone}", "doesn't exist"),
        ("{toolchain: pip, virtualenvs: .venv}", "`virtualenvs: .venv` is not understood"),
        ("{toolchain: conda}", "`toolchain: conda` is not understood"),
    ],
)
def test_options_that_name_no_environment_are_refused(project: Project, options: str, complaint: str):
    kept = (project.folder / "Pulumi.yaml").read_text()
    project.write(options)
    try:
        status, said = project.preview()
    finally:
        (project.folder / "Pulumi.yaml").write_text(kept)
    assert status != 0
    assert complaint in said
