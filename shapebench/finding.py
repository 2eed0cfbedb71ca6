"""What a check of this machine found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "optional", "note"]


@dataclass(frozen=True)
class Finding:
    """The result of one check. `missing` is needed and absent; `optional` is absent and not needed."""

    what: str
    state: State
    found: str
    mend: str = ""
