"""The words at the top of a report: what the runs at hand say, and what they do not."""

from dataclasses import dataclass

from analysis.report.collect import Findings, Run
from analysis.report.text import money, number, percent, shape_name


@dataclass(frozen=True)
class Headline:
    """One sentence to remember, the sentences behind it, and what must not be concluded from them."""

    claim: str
    detail: str
    caveats: tuple[str, ...]


def headline(findings: Findings) -> Headline:
    """What the valid runs say about the cost of good predictions. No statistics yet: one run is one sample."""
    if not findings.ranked:
        return Headline("No run can be compared yet", _why_nothing_is_ranked(findings), ())
    best, *others = findings.ranked
    if _is_local(best):
        claim = "A rehearsal on one machine, not a verdict about shapes"
    elif others:
        claim = f"{best.name} is the cheapest of {len(findings.ranked)} runs"
    else:
        claim = f"One run so far: {best.name}"
    detail = _measured(best) + (_next(best, others[0]) if others else "")
    return Headline(claim, detail, tuple(_caveats(findings)))


def _why_nothing_is_ranked(findings: Findings) -> str:
    if findings.invalid and not findings.unranked:
        count = len(findings.invalid)
        return (
            "The only run is invalid; its reasons are below."
            if count == 1
            else (f"All {count} runs are invalid; their reasons are below.")
        )
    return "No valid run has both a price and good answers in its hold phase; what each lacks is shown as – below."


def _measured(run: Run) -> str:
    summary = run.summary
    errors = "no errors" if not summary.errors else f"{percent(summary.error_rate)} % errors"
    price = f"{money(summary.usd_per_million_good)} {run.manifest.cost.currency} per million good predictions"
    answered = (
        f"{number(summary.goodput_rps)} good predictions a second at a p99 of {number(summary.p99_ms)} ms with {errors}"
    )
    if _is_local(run):
        stands_in = f"Priced as the {shape_name(run.manifest)} it stands in for, that would be {price}."
        return f"{run.name} answered {answered}. {stands_in}"
    return f"{shape_name(run.manifest)} answered {answered}: {price}."


def _next(best: Run, second: Run) -> str:
    a, b = best.summary.usd_per_million_good, second.summary.usd_per_million_good
    if a is None or b is None:  # ranked runs have both
        return ""
    return f" Next is {second.name} at {money(b)} ({(b / a - 1) * 100:+.0f}\N{NO-BREAK SPACE}%)."


def _caveats(findings: Findings) -> list[str]:
    caveats = []
    if len(findings.ranked) > 1:
        caveats.append(
            "Each run is one sample. Whether a gap is larger than what changes from run to run is not known from these "
            "figures alone; run a stack again to see."
        )
    if _is_local(findings.ranked[0]):
        caveats.append(
            "Server and load generator shared this machine's cores, so throughput is lower and latency higher than the "
            "server alone would give, and no network lay between them. What it shows: that everything works, and how "
            "two runs on this same machine differ. What it does not show: which cloud shape is cheapest, or what load "
            "it would bear."
        )
    if any(run.manifest.serving.model.weights == "random" for run in findings.ranked):
        caveats.append(
            "The model had random weights: the same arithmetic, so the same speed, but its predictions mean nothing."
        )
    return caveats


def _is_local(run: Run) -> bool:
    return run.manifest.platform == "local"
