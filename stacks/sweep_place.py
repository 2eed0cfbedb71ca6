"""`shapebench:sweep`: which candidate of which sweep an update measures."""

from typing import Annotated

from pydantic import Field

from stacks.frozen import Frozen


class SweepPlace(Frozen):
    """One run of a sweep: that of a candidate in a block. Runs of the same block have the same arrivals."""

    sweep: Annotated[
        str, Field(pattern=r"^\d{8}-\d{6}$", description="The id of the sweep, which is the time it was created at.")
    ]
    block: Annotated[int, Field(ge=1, description="The number of the block, from 1 on.")]
    candidate: Annotated[
        str, Field(pattern=r"^[0-9a-f]{16}$", description="The key of the candidate: 16 hexadecimal digits.")
    ]

    @property
    def rerun(self) -> str:
        """The token of the block: the same for all candidates, so that they have the same arrivals."""
        return f"{self.sweep} block {self.block}"
