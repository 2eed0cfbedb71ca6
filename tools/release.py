"""Installs Pulumi from its official release, checked against the checksums that the release publishes."""

import hashlib
import platform
import re
import sys
import tarfile
import threading
import urllib.request
from pathlib import Path

from tools.console import Progress, SetupError, say
from tools.pins import Pins

# What a Python program needs of the release; the other languages' hosts are left out.
RELEASE_FILES = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-language-python-exec",
    "pulumi-resource-pulumi-python",
)
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "darwin"}
_BLOCK_BYTES = 1 << 20
_READ_TIMEOUT_S = 60.0


def archive_name(pins: Pins) -> str | None:
    """The release's archive for this machine; None where Pulumi publishes none."""
    system, architecture = _SYSTEMS.get(sys.platform), _ARCHITECTURES.get(platform.machine().lower())
    return f"pulumi-v{pins.pulumi}-{system}-{architecture}.tar.gz" if system and architecture else None


def published_checksum(pins: Pins, archive: str) -> str | None:
    """The archive's SHA-256 from the release's checksum file; None when that does not answer within seconds."""
    url = f"{pins.pulumi_releases}/v{pins.pulumi}/pulumi-{pins.pulumi}-checksums.txt"
    answer: list[str] = []
    obstacle = [f"no answer in {pins.probe_timeout_s:g} s"]

    def fetch() -> None:
        try:
            with urllib.request.urlopen(url, timeout=pins.probe_timeout_s) as response:  # noqa: S310 (a pinned address)
                answer.append(response.read().decode())
        except (OSError, ValueError) as error:
            obstacle.append(str(error))

    # In a thread, as a name look-up has no time-out of its own.
    prober = threading.Thread(target=fetch, daemon=True)
    prober.start()
    prober.join(pins.probe_timeout_s)
    if not answer:
        say(f"{url} is out of reach: {obstacle[-1]}")
        return None
    found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(archive)}$", answer[0], re.MULTILINE)
    if found is None:
        raise SetupError(
            f"{url} does not name {archive}, so that download could not be checked; install Pulumi yourself"
        )
    return found[1]


def install_release(pins: Pins, archive: str, sha256: str, into: Path) -> None:
    """Download the archive, refuse it unless its checksum is right, and put the files of interest into a folder."""
    url = f"{pins.pulumi_releases}/v{pins.pulumi}/{archive}"
    download = into / archive
    try:
        _download(url, download)
        _verify(download, url, sha256)
        _unpack(download, into)
    finally:
        download.unlink(missing_ok=True)


def _download(url: str, target: Path) -> None:
    with Progress(f"downloading Pulumi from {url}") as progress:
        try:
            with urllib.request.urlopen(url, timeout=_READ_TIMEOUT_S) as response, target.open("wb") as file:  # noqa: S310 (a pinned address)
                total_mb = int(response.headers.get("Content-Length") or 0) / 1e6
                while block := response.read(_BLOCK_BYTES):
                    file.write(block)
                    progress.update(f"{file.tell() / 1e6:.0f} of {total_mb:.0f} MB")
        except OSError as error:
            raise SetupError(
                f"downloading {url} broke off ({error}), so Pulumi is not installed; run it again"
            ) from error


def _verify(path: Path, url: str, sha256: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != sha256:
        raise SetupError(
            f"{url} has the SHA-256 {actual}, but its release says {sha256}: it was damaged or replaced on "
            "the way, and nothing of it is kept. Run it again; if this stays so, do not use that file."
        )


def _unpack(archive: Path, into: Path) -> None:
    """Read the wanted files by name; no path of the archive is ever used as a path here."""
    with tarfile.open(archive) as content:
        for name in RELEASE_FILES:
            try:
                member = content.extractfile(f"pulumi/{name}")
            except KeyError:
                member = None
            if member is None:
                raise SetupError(
                    f"{archive.name} holds no {name}, so Python programs cannot run; install Pulumi yourself"
                )
            target = into / name
            target.write_bytes(member.read())
            target.chmod(0o755)
