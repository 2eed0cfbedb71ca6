import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.scripts import write_pulumi, write_script
from tools import gobuild
from tools.console import SetupError
from tools.pins import ROOT, load_pins
from tools.pulumi_cli import ensure_pulumi, installed_source, pulumi_on_path
from tools.release import RELEASE_FILES


def objection(environment: dict[str, str], root: Path = ROOT) -> str | None:
    found = pulumi_on_path(root, load_pins(), environment)
    assert found is not None
    return found.objection


def test_a_recent_and_complete_pulumi_on_path_is_used(tmp_path: Path):
    assert objection(write_pulumi(tmp_path, "v3.300.0")) is None


def test_the_oldest_accepted_version_is_accepted(tmp_path: Path):
    assert objection(write_pulumi(tmp_path, "v3.259.0")) is None


def test_a_pulumi_on_path_that_is_too_old_is_not_used(tmp_path: Path):
    assert "older than 3.259.0" in (objection(write_pulumi(tmp_path, "v3.258.9")) or "")


def test_a_pulumi_without_its_python_host_is_not_used(tmp_path: Path):
    environment = write_pulumi(tmp_path, "v3.300.0")
    (tmp_path / "pulumi-language-python").unlink()
    assert "pulumi-language-python is missing" in (objection(environment) or "")


def test_the_python_host_is_found_beside_the_target_of_a_linked_pulumi(tmp_path: Path):
    write_pulumi(tmp_path / "opt", "v3.300.0")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pulumi").symlink_to(tmp_path / "opt/pulumi")
    assert objection({"PATH": str(tmp_path / "bin")}) is None


@pytest.mark.parametrize(("text", "printed"), [("exit 1", "''"), ("echo hello", "'hello'")])
def test_a_pulumi_that_does_not_print_its_version_is_not_used(tmp_path: Path, text: str, printed: str):
    environment = write_pulumi(tmp_path, "v3.300.0")
    write_script(tmp_path / "pulumi", text)
    assert objection(environment) == f"it does not print its version: `pulumi version` printed {printed}"


def test_the_checkouts_own_pulumi_does_not_count_as_the_users(tmp_path: Path):
    environment = write_pulumi(tmp_path / ".tools/bin", "v3.300.0")
    environment["PATH"] = str(tmp_path / ".tools/bin")
    assert pulumi_on_path(tmp_path, load_pins(), environment) is None


def test_files_without_a_stamp_are_not_an_installation(tmp_path: Path):
    (tmp_path / "tools/go").mkdir(parents=True)
    (tmp_path / "tools/versions.toml").touch()
    for name in RELEASE_FILES:
        write_script(tmp_path / ".tools/bin" / name, "exit 0")
    assert installed_source(tmp_path) is None


def test_an_old_go_that_may_not_upgrade_itself_cannot_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_script(tmp_path / "go", "printf 'go1.25.1\\nlocal\\n'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "the Go on PATH is 1.25.1" in (gobuild.why_go_cannot(ROOT) or "")
    write_script(tmp_path / "go", "printf 'go1.25.1\\nauto\\n'")
    assert gobuild.why_go_cannot(ROOT) is None
    write_script(tmp_path / "go", "printf 'go1.20.3\\nauto\\n'")
    assert "the Go on PATH is 1.20.3" in (gobuild.why_go_cannot(ROOT) or "")


@pytest.mark.parametrize(
    ("text", "why"), [("exit 0", "the Go on PATH is too old"), ("echo 'no such folder' >&2; exit 1", "no such folder")]
)
def test_a_go_that_does_not_print_its_version_cannot_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
):
    write_script(tmp_path / "go", text)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gobuild.why_go_cannot(ROOT) == f"`go env GOVERSION` prints no version: {why}"


def test_without_go_it_says_which_go_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no Go on PATH" in (gobuild.why_go_cannot(ROOT) or "")


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH with neither Pulumi nor Go."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_a_release_is_installed_once(bare_path, releases, checkout: Path):
    releases.publish()
    assert ensure_pulumi(checkout, releases.pins)
    assert installed_source(checkout) == "release"
    assert not list((checkout / ".tools").glob("unfinished-*"))
    assert not ensure_pulumi(checkout, releases.pins)


def test_pulumi_is_installed_again_after_a_changed_pin_or_a_lost_file(bare_path, releases, checkout: Path):
    releases.publish()
    ensure_pulumi(checkout, releases.pins)
    (checkout / ".tools/bin/pulumi-language-python").unlink()
    assert ensure_pulumi(checkout, releases.pins)
    with (checkout / "tools/versions.toml").open("a") as file:
        file.write("# changed\n")
    assert ensure_pulumi(checkout, releases.pins)


def test_a_refused_release_keeps_the_earlier_installation(bare_path, releases, checkout: Path):
    releases.publish()
    ensure_pulumi(checkout, releases.pins)
    with (checkout / "tools/versions.toml").open("a") as file:
        file.write("# changed\n")
    releases.publish(pinned="f" * 64)
    with pytest.raises(SetupError, match="damaged or replaced"):
        ensure_pulumi(checkout, releases.pins)
    assert (checkout / ".tools/bin/pulumi").exists()
    assert not list((checkout / ".tools").glob("unfinished-*"))


def test_a_release_without_a_pin_is_not_installed_and_the_error_has_the_line_to_add(
    bare_path, releases, checkout: Path
):
    archive = releases.publish()
    line = f'add "{archive}" = "{releases.pins.pulumi_sha256[archive]}" to sha256 in tools/versions.toml'
    with pytest.raises(SetupError, match=f"(?s)not pinned, so it is not installed .*{re.escape(line)}.* or Go 1"):
        ensure_pulumi(checkout, replace(releases.pins, pulumi_sha256={}))
    assert not (checkout / ".tools/bin").exists()


def test_files_of_a_killed_run_are_removed(bare_path, releases, checkout: Path):
    releases.publish()
    (checkout / ".tools/unfinished-killed").mkdir(parents=True)
    ensure_pulumi(checkout, releases.pins)
    assert not list((checkout / ".tools").glob("unfinished-*"))


def test_on_a_machine_without_releases_the_error_says_so(
    bare_path, releases, checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SetupError, match=r"release \S+ has no archive for this machine, and there is no Go on PATH"):
        ensure_pulumi(checkout, releases.pins)


def test_without_pulumi_release_and_go_the_error_names_what_to_install(bare_path, releases, checkout: Path):
    with pytest.raises(SetupError, match=r"Install Pulumi 3\.259\.0 or later .* or Go 1\.\d+\.\d+ or later"):
        ensure_pulumi(checkout, releases.pins)
    assert not (checkout / ".tools/bin").exists()


def test_a_build_that_fails_shows_its_last_lines_and_installs_nothing(
    bare_path, releases, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_script(
        tmp_path / "bin/go", 'if [ "$1" = env ]; then printf "go1.99.0\\nlocal\\n"; else echo no space left; exit 1; fi'
    )
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    with pytest.raises(SetupError, match=r"(?s)incomplete.*no space left"):
        ensure_pulumi(checkout, releases.pins)
    assert "no space left" in (checkout / ".tools/log/build-pulumi.log").read_text()
    assert not (checkout / ".tools/bin").exists()


def test_an_outdated_installation_is_removed_where_the_users_own_pulumi_is_good(
    releases, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", write_pulumi(tmp_path / "own", "v3.300.0")["PATH"])
    write_pulumi(checkout / ".tools/bin", "v3.1.0")
    assert not ensure_pulumi(checkout, releases.pins)
    assert not (checkout / ".tools/bin/pulumi").exists()
