"""A GKE stack with secrets is refused where an empty passphrase would encrypt them."""

from pathlib import Path

import pytest

from components.gke.passphrase import why_secrets_are_unprotected

KEY = '{"type": "service_account", "private_key": "s3cr3t"}'
EMPTY = {"PULUMI_CONFIG_PASSPHRASE": ""}


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text("config:\n  gcp:zone: us-central1-a\n")
    return file


@pytest.mark.parametrize(
    ("config", "secret_keys"),
    [
        ({"gcp:credentials": KEY}, []),
        ({"gcp:accessToken": "ya29.s3cr3t"}, []),
        ({"gcp:credentials": KEY}, ["gcp:credentials"]),
        ({"shapebench:rerun": "s3cr3t"}, ["shapebench:rerun"]),
    ],
)
def test_a_secret_under_an_empty_passphrase_is_refused_with_the_fix(
    config: dict[str, str], secret_keys: list[str], stack_file: Path
) -> None:
    refused = why_secrets_are_unprotected("prod", config | {"gcp:zone": "z"}, secret_keys, EMPTY, stack_file)
    assert refused
    (key,) = config
    assert refused.startswith("the passphrase of stack prod is empty, so whoever has the stack file or the state can")
    assert f"read {key}, and the stack is refused" in refused
    assert f"`pulumi config rm {key} --stack prod`" in refused
    assert "`pulumi stack change-secrets-provider passphrase --stack prod`" in refused
    assert "s3cr3t" not in refused


def test_without_a_secret_the_passphrase_may_be_empty(stack_file: Path) -> None:
    config = {"gcp:zone": "us-central1-a", "gcp:project": "p", "gcp:credentials": str(stack_file)}
    assert why_secrets_are_unprotected("prod", config, [], EMPTY, stack_file) is None


def test_the_passphrase_is_read_as_pulumi_reads_it(stack_file: Path, tmp_path: Path) -> None:
    def refused(**environment: str) -> bool:
        return bool(why_secrets_are_unprotected("prod", {"gcp:accessToken": "t"}, [], environment, stack_file))

    blank, filled = tmp_path / "blank", tmp_path / "filled"
    blank.write_text(" \n")
    filled.write_text("correct horse\n")
    assert refused(PULUMI_CONFIG_PASSPHRASE="")
    assert refused(PULUMI_CONFIG_PASSPHRASE="", PULUMI_CONFIG_PASSPHRASE_FILE=str(filled)), "the variable comes first"
    assert refused(PULUMI_CONFIG_PASSPHRASE_FILE=str(blank))
    assert not refused(PULUMI_CONFIG_PASSPHRASE_FILE=str(filled))
    assert not refused(PULUMI_CONFIG_PASSPHRASE="correct horse")
    assert not refused(), "Pulumi asks for one, or the backend is Pulumi Cloud"


def test_secrets_that_a_key_management_service_encrypts_need_no_passphrase(stack_file: Path) -> None:
    stack_file.write_text(
        f"secretsprovider: gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k\n{stack_file.read_text()}"
    )
    assert why_secrets_are_unprotected("prod", {"gcp:accessToken": "t"}, [], EMPTY, stack_file) is None
