"""The published experiment's three claims, each confirmed, refuted or undecided by pairs of variants.

The variants of a pair are compared at capacity, or at one load.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.verdict.effects import INTER_OP, MEMORY, SHAPE, Effect

# A smaller change does not matter: in a rate, and in p99, which varies more. Cost follows from price and rate.
_MATTERS = {"goodput_rps": 1.05, "capacity_rps": 1.05, "p99_ms": 1.10}
_SAID = {"goodput_rps": "goodput", "capacity_rps": "capacity", "p99_ms": "p99", "usd_per_million_good": "cost"}
_BETTER_IF_LESS = ("usd_per_million_good", "p99_ms")


class ClaimFinding(StrEnum):
    """What the data says of a claim."""

    confirmed = "confirmed"
    refuted = "refuted"
    undecided = "undecided"


@dataclass(frozen=True)
class Claim:
    """A claim, the finding, and the pairs of variants behind it."""

    claim: str
    finding: ClaimFinding
    why: str


def claims(effects: Sequence[Effect]) -> tuple[Claim, ...]:
    by_factor = {
        factor: [effect for effect in effects if effect.factor == factor] for factor in (SHAPE, MEMORY, INTER_OP)
    }
    yes, no = ClaimFinding.confirmed, ClaimFinding.refuted
    return (
        _fewer_and_larger(by_factor[SHAPE]),
        _matters("Memory does not matter", MEMORY, by_factor[MEMORY], if_so=no, if_not=yes),
        _matters(f"{INTER_OP} needs tuning", INTER_OP, by_factor[INTER_OP], if_so=yes, if_not=no),
    )


def _fewer_and_larger(pairs: Sequence[Effect]) -> Claim:
    """Better means cheaper, and at one load also with a lower p99, and never the opposite."""
    claim = "Fewer and larger machines are better"
    if not pairs:
        return _no_pair(claim, "in the size of nodes alone, with the same vCPUs and memory in all")
    figures = [(pair, figure) for pair in pairs for figure in _BETTER_IF_LESS if figure in pair.figures]
    ratios = [pair.ratio(figure, len(figures)) for pair, figure in figures]
    better, worse = sum(ratio.high < 1 for ratio in ratios), sum(ratio.low > 1 for ratio in ratios)
    why = (
        f"in {_pairs(pairs)}, {better} of {len(ratios)} figures ({_names(figures)} of each pair) are certainly better"
        f" on the larger machines and {worse} certainly worse"
    )
    if better and not worse:
        return Claim(claim, ClaimFinding.confirmed, why)
    return Claim(claim, ClaimFinding.refuted if worse and not better else ClaimFinding.undecided, why)


def _matters(claim: str, factor: str, pairs: Sequence[Effect], *, if_so: ClaimFinding, if_not: ClaimFinding) -> Claim:
    """The finding where the factor of these pairs matters: a figure certainly differs by enough; or not: none can.

    Not seeing a difference does not prove that there is none.
    """
    if not pairs:
        return _no_pair(claim, f"in {factor} alone")
    figures = [(pair, figure) for pair in pairs for figure in _MATTERS if figure in pair.figures]
    ratios = [(pair.ratio(figure, len(figures)), _MATTERS[figure]) for pair, figure in figures]
    beyond = sum(ratio.low > most or ratio.high < 1 / most for ratio, most in ratios)
    within = sum(ratio.low > 1 / most and ratio.high < most for ratio, most in ratios)
    compared = dict.fromkeys(figure for _, figure in figures)
    matters = " or ".join(f"{(_MATTERS[figure] - 1) * 100:.0f} % ({_SAID[figure]})" for figure in compared)
    why = (
        f"in {_pairs(pairs)}, {beyond} of {len(ratios)} figures certainly differ by more than {matters}, and {within}"
        " certainly by less"
    )
    if beyond:
        return Claim(claim, if_so, why)
    return Claim(claim, if_not if within == len(ratios) else ClaimFinding.undecided, why)


def _pairs(pairs: Sequence[Effect]) -> str:
    count = "one pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    single = any(each.runs == 1 for pair in pairs for each in (pair.before, pair.after))
    return f"{count} (some with one run, which does not show how much runs differ)" if single else count


def _names(figures: Sequence[tuple[Effect, str]]) -> str:
    return " and ".join(dict.fromkeys(_SAID[figure] for _, figure in figures))


def _no_pair(claim: str, difference: str) -> Claim:
    return Claim(claim, ClaimFinding.undecided, f"no two variants differ {difference}")
