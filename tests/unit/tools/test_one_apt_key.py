"""`tools/one_apt_key`: of all keys that a server sends, apt trusts the one whose fingerprint is pinned."""

import re
import subprocess
from pathlib import Path

import pytest

from tools.pins import ROOT


def gpg(home: Path, *arguments: str, keys: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--with-colons", *arguments]
    return subprocess.run(command, input=keys, capture_output=True, check=True).stdout


def fingerprints(listing: bytes) -> list[str]:
    return re.findall(r"^fpr:+([0-9A-F]{40}):", listing.decode(), re.MULTILINE)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[str]]:
    """Two keys of one file, and the fingerprints of the first one, its subkey, and the second one."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    for name in ("pinned", "added"):
        gpg(home, "--passphrase", "", "--quick-generate-key", name, "default")
    made = gpg(home, "--armor", "--export"), fingerprints(gpg(home, "--list-keys"))[:3]
    # Making a key starts an agent that stays.
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)
    return made


def one_apt_key(keys: bytes, fingerprint: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([ROOT / "tools/one_apt_key", fingerprint], input=keys, capture_output=True, check=False)


def test_only_the_pinned_key_gets_into_the_keyring(sent: tuple[bytes, list[str]], tmp_path: Path) -> None:
    keys, (pinned, subkey, added) = sent
    done = one_apt_key(keys, pinned)
    assert (done.returncode, done.stderr) == (0, b"")
    listed = fingerprints(gpg(tmp_path, "--show-keys", keys=done.stdout))
    assert listed == [pinned, subkey]
    assert added not in listed


def test_a_file_without_the_pinned_key_is_refused(sent: tuple[bytes, list[str]]) -> None:
    keys, (_, subkey, _) = sent
    for fingerprint in ("0" * 40, subkey):
        done = one_apt_key(keys, fingerprint)
        assert (done.returncode, done.stdout) == (1, b"")
        assert f"no key has the fingerprint {fingerprint}".encode() in done.stderr
    assert one_apt_key(b"<html>not found</html>", "0" * 40).returncode != 0
