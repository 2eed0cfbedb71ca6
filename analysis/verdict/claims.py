"""The published experiment's three claims, each confirmed, refuted or undecided by pairs of variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.statistics.estimate import Estimate
from analysis.verdict.effects import INTER_OP, MEMORY, SHAPE, Effect

# A smaller change does not matter: in goodput and cost, and in p99, which varies more.
_RATE_MATTERS, _P99_MATTERS = 1.05, 1.10


class Finding(StrEnum):
    """What the data says of a claim."""

    confirmed = "confirmed"
    refuted = "refuted"
    undecided = "undecided"


_OPPOSITE = {
    Finding.confirmed: Finding.refuted,
    Finding.refuted: Finding.confirmed,
    Finding.undecided: Finding.undecided,
}


@dataclass(frozen=True)
class Claim:
    """A claim, the finding, and the pairs of variants behind it."""

    claim: str
    finding: Finding
    why: str


def claims(effects: Sequence[Effect]) -> tuple[Claim, ...]:
    """All three; a claim without pairs is undecided."""
    by_factor = {factor: [each for each in effects if each.factor == factor] for factor in (SHAPE, MEMORY, INTER_OP)}
    return (
        _fewer_and_larger(by_factor[SHAPE]),
        _memory_does_not_matter(by_factor[MEMORY]),
        _inter_op_needs_tuning(by_factor[INTER_OP]),
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


def _memory_does_not_matter(pairs: Sequence[Effect]) -> Claim:
    claim = "Memory does not matter"
    if not pairs:
        return _no_pair(claim, "in memory alone")
    matters, why = _matters(pairs)
    return Claim(claim, _OPPOSITE[matters], why)


def _inter_op_needs_tuning(pairs: Sequence[Effect]) -> Claim:
    claim = "inter_op needs tuning"
    if not pairs:
        return _no_pair(claim, "in inter_op alone")
    return Claim(claim, *_matters(pairs))


def _matters(pairs: Sequence[Effect]) -> tuple[Finding, str]:
    """Whether the factor of these pairs matters: yes if a figure certainly differs by enough, no if none can.

    Not seeing a difference does not prove that there is none.
    """
    count = 2 * len(pairs)
    ratios = [(pair.ratio("goodput_rps", count), _RATE_MATTERS) for pair in pairs]
    ratios += [(pair.ratio("p99_ms", count), _P99_MATTERS) for pair in pairs]
    beyond, within = sum(_beyond(*each) for each in ratios), sum(_within(*each) for each in ratios)
    why = (
        f"in {_pairs(pairs)}, {beyond} of {count} figures certainly differ by more than 5 % (goodput) or 10 % (p99),"
        f" and {within} certainly by less"
    )
    if beyond:
        return Finding.confirmed, why
    return Finding.refuted if within == count else Finding.undecided, why


def _within(ratio: Estimate, matters: float) -> bool:
    return ratio.low > 1 / matters and ratio.high < matters


def _beyond(ratio: Estimate, matters: float) -> bool:
    return ratio.low > matters or ratio.high < 1 / matters


def _pairs(pairs: Sequence[Effect]) -> str:
    count = "one pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    single = any(each.runs == 1 for pair in pairs for each in (pair.before, pair.after))
    return f"{count} (some with one run, which does not show how much runs differ)" if single else count


def _no_pair(claim: str, difference: str) -> Claim:
    return Claim(claim, Finding.undecided, f"no two variants differ {difference}")
