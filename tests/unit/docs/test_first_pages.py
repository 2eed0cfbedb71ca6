"""What a reader of the first pages has to know at once."""

import re

import pytest

from tools.needs import needs
from tools.pins import ROOT

FIRST_SCREEN = 40  # lines


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md", "docs/stacks.md"])
@pytest.mark.parametrize("limit", ["ResNet50", "E2", "Linux"])
def test_the_first_screen_says_what_it_is_limited_to(page: str, limit: str):
    screen = "\n".join((ROOT / page).read_text().splitlines()[:FIRST_SCREEN])
    assert re.search(rf"\b{limit}\b", screen)


def test_readme_says_what_the_set_up_says():
    said = needs(ROOT, ["run"], pulumi=True)
    assert said is not None
    figures = re.findall(r"[\d.]+ GB", said)
    assert len(figures) == 2
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"downloads {figures[0]} and takes {figures[1]} of disk" in text
