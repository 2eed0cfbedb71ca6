"""CPU that other programs took while a run was measured, as the manifest has it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from analysis.results.schema.thresholds import DAEMON_CORES, OTHERS_SHARE


class OtherCpu(BaseModel):
    """CPU that other programs took while the run was measured: mean cores, of the machine where they took most of it.

    `node` is None for the machine that server and generator share. Of its `machine_cores`, server and generator can use
    `usable_cores`. `stolen_cores` are the part of `cores` that the hypervisor gave to other machines; None is unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: str | None = None
    cores: Annotated[float, Field(ge=0)]
    stolen_cores: Annotated[float, Field(ge=0)] | None = None
    machine_cores: Annotated[float, Field(gt=0)]
    usable_cores: Annotated[float, Field(gt=0)]

    @property
    def program_cores(self) -> float:
        """What other programs used, without what the hypervisor gave to other machines."""
        return max(0.0, self.cores - (self.stolen_cores or 0.0))

    @property
    def machine(self) -> str:
        """The machine with its cores, as sentences have it."""
        name = "this machine" if self.node is None else f"the node {self.node}"
        return f"{name}'s {self.machine_cores:g} cores"

    @property
    def sentence(self) -> str:
        """Who took how much, each by itself."""
        programs = f"While the run measured, other programs used {self.program_cores:.2f} of {self.machine}"
        if self.stolen_cores is None:
            return f"{programs}; what the hypervisor gave to other machines (steal) is not known."
        return f"{programs}, and the hypervisor gave {self.stolen_cores:.2f} to other machines (steal)."

    @property
    def share(self) -> float:
        """The share of the usable cores that they took; what fits beside these cores took nothing from them."""
        return max(0.0, self.cores - (self.machine_cores - self.usable_cores)) / self.usable_cores

    @property
    def disturbs(self) -> bool:
        """Whether they took so much that another capacity may have been measured."""
        most = OTHERS_SHARE if self.node is None else max(OTHERS_SHARE, DAEMON_CORES / self.usable_cores)
        return self.share > most
