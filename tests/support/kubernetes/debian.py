"""Extracts programs from Debian packages without installing the packages, which would start services."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def extract(packages: Sequence[str], into: Path, log: Path) -> bool:
    """Unpack the newest versions, verified by apt, into a folder; False where they cannot be fetched (see the log).

    Dependencies are not added: name them, too.
    """
    into.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        if not _fetch(packages, into, file.fileno()):
            return False
    for package in sorted(into.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(into)], check=True)
        package.unlink()
    return True


def _fetch(packages: Sequence[str], into: Path, log: int) -> bool:
    # As root, apt would switch to a user who may not write here.
    user = pwd.getpwuid(os.geteuid()).pw_name
    download = ["apt-get", "--option", f"APT::Sandbox::User={user}", "download", *packages]

    def runs(*command: str) -> bool:
        return subprocess.run(command, cwd=into, stdout=log, stderr=log, check=False).returncode == 0

    if shutil.which("apt-get") is None:
        return False
    return runs(*download) or (os.geteuid() == 0 and runs("apt-get", "update") and runs(*download))
