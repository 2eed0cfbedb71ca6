"""A backend of the user's own beside that of the checkout: one stack file for both, each with its own passphrase."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.engine.harness import CHECKOUT, Stack

STACK_FILE = "stacks/Pulumi.local.yaml"
# All that a checkout needs for `. tools/env.sh` and Pulumi; the program has a secret, as a GKE stack has.
PROJECT = {
    "name": "shapebench", "stackConfigDir": "stacks",
    "runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}},
}  # fmt: skip
PROGRAM = 'import pulumi\npulumi.export("token", pulumi.Output.secret("hunter2"))\n'


class Checkout:
    """A checkout with a small program, and a shell in it whose environment is what a new user's would be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder.parent / "home"
        self.home.mkdir()
        for name in ("tools", "stacks"):
            (folder / name).mkdir(parents=True)
        for name in ("tools/env.sh", STACK_FILE):
            shutil.copy(CHECKOUT / name, folder / name)
        for name in (".venv", ".tools"):
            (folder / name).symlink_to(CHECKOUT / name)
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(PROJECT))
        (folder / "__main__.py").write_text(PROGRAM)

    @property
    def stack_file(self) -> str:
        return (self.folder / STACK_FILE).read_text()

    def shell(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", f". tools/env.sh; {script}"],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), "PULUMI_SKIP_CONFIRMATIONS": "true"} | variables,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def must(self, script: str, **variables: str) -> str:
        done = self.shell(script, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("own-backend") / "checkout")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("state")
    return {"PULUMI_BACKEND_URL": f"file://{folder}", "PULUMI_CONFIG_PASSPHRASE": "of our own"}


@pytest.fixture(scope="module", autouse=True)
def stack_in_both(checkout: Checkout, own: dict[str, str]) -> None:
    for backend in ({}, own):
        checkout.must("pulumi stack init local && pulumi up --stack local", **backend)


def test_an_update_in_either_backend_leaves_the_stack_file_as_git_has_it(checkout: Checkout):
    assert checkout.stack_file == (CHECKOUT / STACK_FILE).read_text()


def test_the_passphrase_reads_a_secret_of_its_backend(checkout: Checkout, own: dict[str, str]):
    assert checkout.must("pulumi stack output token --show-secrets --stack local", **own) == "hunter2\n"
    assert checkout.must("pulumi stack output token --show-secrets --stack local") == "hunter2\n"


@pytest.mark.parametrize("command", ["preview", "up", "destroy"])
def test_a_wrong_passphrase_is_named(checkout: Checkout, own: dict[str, str], command: str):
    failed = checkout.shell(f"pulumi {command} --stack local", **own | {"PULUMI_CONFIG_PASSPHRASE": "another"})
    assert failed.returncode != 0
    assert "incorrect passphrase, please set PULUMI_CONFIG_PASSPHRASE" in failed.stderr


def test_a_missing_passphrase_is_named_and_not_taken_for_the_empty_one(checkout: Checkout, own: dict[str, str]):
    url = own["PULUMI_BACKEND_URL"]
    later = f"export PULUMI_BACKEND_URL={url}; . tools/env.sh; pulumi preview --stack local"
    for failed in (checkout.shell(later), checkout.shell("pulumi preview --stack local", PULUMI_BACKEND_URL=url)):
        assert failed.returncode != 0
        assert "passphrase must be set with PULUMI_CONFIG_PASSPHRASE" in failed.stderr


def test_a_setting_that_is_changed_and_restored_leaves_the_stack_file_as_git_has_it(
    checkout: Checkout, own: dict[str, str]
):
    set_inter_op = "pulumi config set --path shapebench:serving.interOp {} --stack local"
    checkout.must(set_inter_op.format(4), **own)
    assert "interOp: 4" in checkout.stack_file
    checkout.must(set_inter_op.format(2), **own)
    assert checkout.stack_file == (CHECKOUT / STACK_FILE).read_text()


def test_a_stack_that_is_not_in_the_backend_is_answered_with_the_command_that_creates_it(checkout: Checkout):
    failed = checkout.shell("pulumi preview --stack 8cpu-16gb")
    assert failed.returncode != 0
    assert "no stack named '8cpu-16gb' found" in failed.stderr
    assert "`pulumi stack init NAME`" in failed.stderr


def test_with_a_wrong_passphrase_a_first_update_ends_before_anything_that_costs_time_or_money(stack: Stack):
    """The salt is in the state alone, as `tools/env.sh` leaves it, so Pulumi does not compare the passphrase before."""
    stack.config_file.write_text("config: {}\n")
    stack.variables = {"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true", "PULUMI_CONFIG_PASSPHRASE": "another"}
    failed = stack.up()
    stack.variables["PULUMI_CONFIG_PASSPHRASE"] = "engine-tier"
    assert failed.returncode != 0
    assert "incorrect passphrase, please set PULUMI_CONFIG_PASSPHRASE" in failed.stdout
    assert "local-model creating" not in failed.stdout
    assert "local-serving creating" not in failed.stdout
