"""Pulumi's provider plugins: a missing one is downloaded, or named in one line with the reason and the fix."""

from pathlib import Path

import pytest

from components.provider_plugins import why_plugin_is_missing
from tests.support.scripts import write_script
from tools.pulumi_plugins import GCP, KUBERNETES

# As Pulumi 3.274.1 prints it without a network, shortened to two attempts.
REFUSED = "lookup get.pulumi.com: no such host"
WITHOUT_NETWORK = f"""\
[resource plugin gcp-9.35.0] installing
warning: Error downloading plugin: {REFUSED}
Will retry in 80ms [1/5]
warning: Error downloading plugin: {REFUSED}
Will retry in 1.28s [5/5]
error: [resource plugin gcp-9.35.0] downloading from : failed to download plugin: gcp-9.35.0: failed all 5 attempts
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is PATH, with a home in which nothing was downloaded."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    return tmp_path


def pulumi_that(machine: Path, text: str) -> None:
    write_script(machine / "bin/pulumi", f'echo "$@" >> {machine}/calls\n{text}')


def test_plugins_on_path_or_downloaded_before_are_not_asked_for_again(machine: Path):
    pulumi_that(machine, "exit 1")
    write_script(machine / "bin/pulumi-resource-gcp", "exit 1")
    (machine / f".pulumi/plugins/resource-kubernetes-v{KUBERNETES.version}").mkdir(parents=True)
    assert why_plugin_is_missing(GCP, KUBERNETES) is None
    assert not (machine / "calls").exists()


def test_a_missing_plugin_is_downloaded(machine: Path):
    pulumi_that(machine, "exit 0")
    assert why_plugin_is_missing(GCP) is None
    assert (machine / "calls").read_text() == f"plugin install resource gcp {GCP.version}\n"


def test_a_plugin_that_cannot_be_downloaded_is_one_line_with_reason_and_fix(machine: Path):
    (machine / "printed").write_text(WITHOUT_NETWORK)
    pulumi_that(machine, f"cat {machine}/printed >&2; exit 1")
    missing = why_plugin_is_missing(GCP, KUBERNETES)
    assert missing is not None
    (line,) = missing.splitlines()
    assert line.count(REFUSED) == 1
    assert line.endswith(f"pulumi plugin install resource gcp {GCP.version} --file FILE")


def test_without_a_pulumi_to_download_it_the_plugin_is_named_too(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(machine))
    missing = why_plugin_is_missing(KUBERNETES)
    assert missing is not None
    assert "No such file or directory: 'pulumi'" in missing
