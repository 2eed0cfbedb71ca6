"""The published experiment's three claims, each confirmed, refuted or undecided by pairs of variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.verdict.effects import INTER_OP, MEMORY, SHAPE, Effect

# A smaller change does not matter: in goodput and cost, and in p99, which varies more.
_RATE_MATTERS, _P99_MATTERS = 1.05, 1.10


class Finding(StrEnum):
    """What the data says of a claim."""

    confirmed = "confirmed"
    refuted = "refuted"
    undecided = "undecided"


@dataclass(frozen=True)
class Claim:
    """A claim, the finding, and the pairs of variants behind it."""

    claim: str
    finding: Finding
    why: str


def claims(effects: Sequence[Effect]) -> tuple[Claim, ...]:
    by_factor = {factor: [each for each in effects if each.factor == factor] for factor in (SHAPE, MEMORY, INTER_OP)}
    yes, no = Finding.confirmed, Finding.refuted
    return (
        _fewer_and_larger(by_factor[SHAPE]),
        _matters("Memory does not matter", "memory", by_factor[MEMORY], if_so=no, if_not=yes),
        _matters("inter_op needs tuning", "inter_op", by_factor[INTER_OP], if_so=yes, if_not=no),
    )


def _fewer_and_larger(pairs: Sequence[Effect]) -> Claim:
    """Better means cheaper or with a lower p99, and never the opposite."""
    claim = "Fewer and larger machines are better"
    if not pairs:
        return _no_pair(claim, "in the size of nodes alone, with the same vCPUs and memory in all")
    count = 2 * len(pairs)
    ratios = [pair.ratio(figure, count) for pair in pairs for figure in ("usd_per_million_good", "p99_ms")]
    better, worse = sum(each.high < 1 for each in ratios), sum(each.low > 1 for each in ratios)
    why = (
        f"in {_pairs(pairs)}, {better} of {len(ratios)} figures (cost and p99 of each pair) are certainly better on the"
        f" larger machines and {worse} certainly worse"
    )
    if better and not worse:
        return Claim(claim, Finding.confirmed, why)
    return Claim(claim, Finding.refuted if worse and not better else Finding.undecided, why)


def _matters(claim: str, factor: str, pairs: Sequence[Effect], *, if_so: Finding, if_not: Finding) -> Claim:
    """The finding where the factor of these pairs matters: a figure certainly differs by enough; or not: none can.

    Not seeing a difference does not prove that there is none.
    """
    if not pairs:
        return _no_pair(claim, f"in {factor} alone")
    count = 2 * len(pairs)
    ratios = [(pair.ratio("goodput_rps", count), _RATE_MATTERS) for pair in pairs]
    ratios += [(pair.ratio("p99_ms", count), _P99_MATTERS) for pair in pairs]
    beyond = sum(ratio.low > most or ratio.high < 1 / most for ratio, most in ratios)
    within = sum(ratio.low > 1 / most and ratio.high < most for ratio, most in ratios)
    why = (
        f"in {_pairs(pairs)}, {beyond} of {count} figures certainly differ by more than 5 % (goodput) or 10 % (p99),"
        f" and {within} certainly by less"
    )
    if beyond:
        return Claim(claim, if_so, why)
    return Claim(claim, if_not if within == count else Finding.undecided, why)


def _pairs(pairs: Sequence[Effect]) -> str:
    count = "one pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    single = any(each.runs == 1 for pair in pairs for each in (pair.before, pair.after))
    return f"{count} (some with one run, which does not show how much runs differ)" if single else count


def _no_pair(claim: str, difference: str) -> Claim:
    return Claim(claim, Finding.undecided, f"no two variants differ {difference}")
