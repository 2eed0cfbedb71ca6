"""The arguments of every platform."""

from dataclasses import dataclass
from pathlib import Path

from stacks.settings import Settings


@dataclass
class PlatformArgs:
    """The stack's name and settings, and the checkout for exports, state and results."""

    stack: str
    settings: Settings
    checkout: Path
