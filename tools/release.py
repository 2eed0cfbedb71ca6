"""Installs Pulumi from its official release, if it is the archive that `tools/versions.toml` pins."""

import hashlib
import platform
import re
import sys
import tarfile
import threading
import urllib.request
from pathlib import Path

from tools.console import Progress, SetupError, say
from tools.pins import Pins, show_version

# The files that Python programs need; hosts of other languages are left out.
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
    """The archive's SHA-256 from the release's checksum file; None if the server does not answer within seconds.

    The server that publishes it publishes the archive, too, so it only tells what there is to pin.
    """
    url = f"{pins.pulumi_releases}/v{pins.pulumi}/pulumi-{pins.pulumi}-checksums.txt"
    answer: list[str] = []
    errors = [f"no answer in {pins.probe_timeout_s:g} s"]

    def fetch() -> None:
        try:
            with urllib.request.urlopen(url, timeout=pins.probe_timeout_s) as response:  # noqa: S310 (a pinned address)
                answer.append(response.read().decode())
        except (OSError, ValueError) as error:
            errors.append(str(error))

    # In a thread, because a DNS look-up has no timeout.
    prober = threading.Thread(target=fetch, daemon=True)
    prober.start()
    prober.join(pins.probe_timeout_s)
    if not answer:
        say(f"{url} cannot be reached: {errors[-1]}")
        return None
    found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(archive)}$", answer[0], re.MULTILINE)
    if found is None:
        raise SetupError(f"{url} has no checksum of {archive}, so it is not installed; {_by_hand(pins)}")
    return found[1]


def _by_hand(pins: Pins) -> str:
    return (
        f"install Pulumi {show_version(pins.pulumi_oldest_on_path)} or later yourself"
        " (https://www.pulumi.com/docs/install/), then run the set-up again"
    )


def install_release(pins: Pins, archive: str, into: Path) -> None:
    """Download the archive, compare it with its pin, and unpack the needed files into a folder; raises SetupError."""
    sha256 = pins.pulumi_sha256[archive]
    url = f"{pins.pulumi_releases}/v{pins.pulumi}/{archive}"
    download = into / archive
    try:
        _download(url, download)
        with download.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != sha256:
            raise SetupError(
                f"{url} has SHA-256 {actual}, and tools/versions.toml pins {sha256}: the download is damaged or "
                f"replaced, so it is not installed. Run the set-up again; if that does not help, {_by_hand(pins)}"
            )
        _unpack(pins, download, into)
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
                f"the download of {url} failed ({error}), so Pulumi is not installed; run the set-up again"
            ) from error


def _unpack(pins: Pins, archive: Path, into: Path) -> None:
    """Extract the needed files by name, so that no path in the archive becomes a path here."""
    with tarfile.open(archive) as content:
        for name in RELEASE_FILES:
            try:
                member = content.extractfile(f"pulumi/{name}")
            except KeyError:
                member = None
            if member is None:
                raise SetupError(f"{archive.name} does not hold {name}, so it is not installed; {_by_hand(pins)}")
            target = into / name
            target.write_bytes(member.read())
            target.chmod(0o755)
