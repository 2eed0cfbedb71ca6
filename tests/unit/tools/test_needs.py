"""What a set-up says beforehand is so."""

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from tools.console import say
from tools.needs import disk_gb, download_mb, needs
from tools.pins import ROOT


def size_on_disk(distribution: importlib.metadata.Distribution) -> int:
    """The bytes of a package's files and of their bytecode."""
    paths = {Path(str(distribution.locate_file(file))) for file in distribution.files or ()}
    paths |= {
        path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        for path in paths
        if path.suffix == ".py"
    }
    return sum(path.stat().st_size for path in paths if path.is_file())


def test_the_disk_that_is_announced_is_what_the_packages_take():
    names = re.findall(r"^([a-z0-9]\S*)==", (ROOT / "tools/requirements/run.txt").read_text(), re.MULTILINE)
    installed = {
        distribution.metadata["Name"].lower().replace("_", "-"): distribution
        for distribution in importlib.metadata.distributions()
    }
    total = sum(size_on_disk(installed[name]) for name in names if name in installed)
    assert total / 1e9 == pytest.approx(disk_gb(ROOT, "run"), rel=0.15)


def test_what_is_downloaded_is_compressed_and_more_where_there_are_more_packages():
    assert download_mb(ROOT, "policy") < download_mb(ROOT, "run") < download_mb(ROOT, "dev")
    for tier in ("run", "dev", "policy"):
        assert 0.1 < download_mb(ROOT, tier) / 1000 / disk_gb(ROOT, tier) < 0.6


def test_only_what_is_missing_is_announced():
    assert needs(ROOT, [], pulumi=False) is None
    pulumi, packages, both = (needs(ROOT, tiers, pulumi=is_missing) for tiers, is_missing in (
        ([], True), (["run"], False), (["run"], True)
    ))  # fmt: skip
    assert pulumi is not None
    assert re.search(r"0\.1 GB and takes 0\.2 GB of disk: about 1 min ", pulumi)
    assert packages != both


def test_the_set_up_and_the_demo_take_seven_minutes_where_pulumis_release_can_be_downloaded():
    said = needs(ROOT, ["run"], pulumi=True)
    assert said is not None
    [minutes] = re.findall(r"about (\d+) min at 100 Mbit/s", said)
    assert int(minutes) + 5 <= 7


def test_what_a_set_up_says_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]):
    said = f"{needs(ROOT, ['run'], pulumi=True)}, and a sentence of more words than fit into one line of a terminal"
    say(said)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert " ".join(printed.split()) == f"setup: {said}"
