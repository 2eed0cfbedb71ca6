"""The interface of strategies: from the runs so far, which candidates need more runs, and which one is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from analysis.statistics.deployments import PRIOR_SD
from sweep.tasks import DrawnCpus, Length


class Standing(StrEnum):
    """Where a candidate stands among those with the same objective."""

    racing = "racing"
    eliminated = "eliminated"
    chosen = "chosen"


@dataclass(frozen=True)
class Observation:
    """The cost of one run of a candidate: the logarithm of USD per million predictions, and its standard error.

    The error is that of the run alone, without the spread between deployments. A run that gave only a lower bound of
    the cost (no rate that it tried met the objective) has `is_bound`. `deployment_sd` is what is assumed between
    deployments, until enough runs tell. `machines` names the set of machines that it ran on, and `drawn` says which CPU
    models these got by chance. `order` grows with each run that ends, over the whole sweep: a decision that was taken
    between two runs is taken again from the runs before it alone.
    """

    order: int
    block: int
    length: Length
    log_cost: float
    log_error: float
    is_bound: bool = False
    deployment_sd: float = PRIOR_SD
    machines: str = ""
    drawn: DrawnCpus | None = None

    @property
    def weight(self) -> float:
        """One by the variance of a run: its own, and what is assumed between deployments."""
        return 1 / (self.deployment_sd**2 + self.log_error**2)


@dataclass(frozen=True)
class Decision:
    """By the candidate's key: its standing, and in plain words why it was eliminated.

    `may_be_best` are those that were eliminated without certainty that another is cheaper, as a verdict says it.
    `log_costs` are the logarithms of the costs that are compared, of those that have one.

    Once no candidate races, one is chosen, with the certainty that `claim` states; none where none meets the objective.
    """

    standings: Mapping[str, Standing]
    why: Mapping[str, str]
    leader: str | None
    claim: str
    may_be_best: frozenset[str] = frozenset()
    log_costs: Mapping[str, float] = field(default_factory=dict)


class Strategy(Protocol):
    """Pure: the same observations always give the same decision, so a sweep that is resumed decides as before.

    Once eliminated, a candidate stays so whatever is observed of others later.
    """

    def decide(self, observed: Mapping[str, Sequence[Observation]], candidates: int | None = None) -> Decision:
        """Decide from all runs so far, of every candidate with one objective, by its key; it may have none yet.

        `candidates` is how many candidates the sweep was asked to compare, with those that are left out because they
        failed: the certainty that is promised is for all of them, as they may come back. By default none is left out.
        """
        ...

    def length(self, block: int, candidates: int) -> Length:
        """The length of the runs of a block, with so many candidates that have not failed."""
        ...

    def most_blocks(self, candidates: int) -> int:
        """After so many blocks no candidate is racing, whatever is observed."""
        ...
