"""Says before a set-up starts what it downloads, how much disk it takes, and how long that takes."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from tools.environment import Tier

# The connection that the time is stated for, and how long uv takes to unpack and compile `run` on two cores: 119 s of
# CPU time were measured.
_MBIT_PER_S, _UNPACKING_S = 100, 60
_PULUMI_MB = 100
_DOWNLOADS = re.compile(r"^# downloads: (\d+) MB$", re.MULTILINE)


def download_mb(root: Path, tier: Tier) -> int:
    """What a tier downloads, from its requirement file, where `make lock` wrote it."""
    found = _DOWNLOADS.search((root / f"tools/requirements/{tier}.txt").read_text())
    return int(found[1]) if found else 0


def disk_gb(root: Path, tier: Tier) -> float:
    """What a tier's environment takes on the disk, from `tools/versions.toml`."""
    return float(tomllib.loads((root / "tools/versions.toml").read_text())["needs"]["disk_gb"][tier])


def needs(root: Path, tiers: Iterable[Tier], *, pulumi: bool) -> str | None:
    """One sentence about what is missing: `tiers`, and Pulumi; None where nothing is."""
    missing = list(tiers)
    if not missing and not pulumi:
        return None
    megabytes = sum(download_mb(root, tier) for tier in missing) + (_PULUMI_MB if pulumi else 0)
    disk = sum(disk_gb(root, tier) for tier in missing) + (0.2 if pulumi else 0)
    seconds = megabytes * 8 / _MBIT_PER_S + (_UNPACKING_S if missing else 0)
    minutes = max(round(seconds / 60), 1)
    return (
        f"downloads {megabytes / 1000:.1f} GB and takes {disk:.1f} GB of disk: about {minutes} min at"
        f" {_MBIT_PER_S} Mbit/s"
    )
