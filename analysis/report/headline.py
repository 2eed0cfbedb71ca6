"""The top of a report: the verdict, and the caveats."""

from dataclasses import dataclass

from analysis.formatting import shape_name
from analysis.report.collect import Findings
from analysis.verdict.ranking import Meets
from analysis.verdict.text import list_names, paragraph
from analysis.verdict.verdict import Verdict


@dataclass(frozen=True)
class Headline:
    """The verdict in one sentence and in detail, and what must not be concluded from it."""

    claim: str
    detail: str
    caveats: tuple[str, ...]


def headline(findings: Findings) -> Headline:
    """The verdict, with the paragraph of `shapebench verdict`."""
    judgement = findings.judgement
    if not judgement.ranking:
        return Headline("No run can be ranked yet", _why_nothing_is_ranked(findings), ())
    if _is_local(judgement):
        shape = shape_name(judgement.ranking[0].variant.newest)
        detail = f"Priced as the {shape} it stands in for: {paragraph(judgement)}"
        return Headline("A rehearsal on one machine, not a verdict about shapes", detail, tuple(_caveats(findings)))
    return Headline(_claim(judgement), paragraph(judgement), tuple(_caveats(findings)))


def _claim(judgement: Verdict) -> str:
    if not judgement.best:
        return "No variant meets the objective" if judgement.outcome is Meets.no else "The data cannot tell yet"
    if len(judgement.best) > 1:
        return f"{list_names(judgement.best)} are tied"
    if len(judgement.ranking) == 1:
        return f"One variant so far: {judgement.best[0].label}"
    goal = "is the cheapest" if judgement.objective.budget_usd_730h is None else "serves the most"
    return f"{judgement.best[0].label} {goal} of {len(judgement.ranking)} variants"


def _why_nothing_is_ranked(findings: Findings) -> str:
    if findings.invalid and not findings.unranked:
        count = len(findings.invalid)
        return (
            "The only run is invalid; the reasons are below."
            if count == 1
            else f"All {count} runs are invalid; the reasons are below."
        )
    return "No valid run has both a price and good answers in its hold phase; the reasons are below."


def _caveats(findings: Findings) -> list[str]:
    caveats = []
    if _is_local(findings.judgement):
        caveats.append(
            "Server and load generator shared the cores of this machine, so throughput is lower and latency higher "
            "than with a generator on another machine, and there was no network between them. This report shows that "
            "everything works, and how two runs on this machine differ. It does not show which cloud shape is cheapest "
            "or what its capacity is."
        )
    if any(run.manifest.serving.model.weights == "random" for run in findings.ranked):
        caveats.append(
            "The model has random weights: it computes the same at the same speed, but its predictions mean nothing."
        )
    return caveats


def _is_local(judgement: Verdict) -> bool:
    return judgement.ranking[0].variant.newest.platform == "local"
