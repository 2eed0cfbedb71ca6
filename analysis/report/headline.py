"""The top of a report: the verdict, and the caveats."""

from dataclasses import dataclass

from analysis.formatting import shape_name
from analysis.report.collect import Findings
from analysis.verdict.ranking import Meets
from analysis.verdict.text import NO_VERDICT, list_names, paragraph
from analysis.verdict.verdict import Verdict


@dataclass(frozen=True)
class Headline:
    """The verdict in one sentence and in detail, and what must not be concluded from it."""

    claim: str
    detail: str
    caveats: tuple[str, ...]


def headline(findings: Findings) -> Headline:
    verdict = findings.verdict
    if not verdict.ranking:
        why = "No valid run has both a price and good answers in its hold phase; the reasons are below."
        if findings.invalid and not findings.unranked:
            count = len(findings.invalid)
            runs = "The only run is" if count == 1 else f"All {count} runs are"
            why = f"{runs} invalid; the reasons are below."
        return Headline("No run can be ranked yet", why, ())
    if verdict.is_rehearsal:
        shape = shape_name(verdict.ranking[0].variant.newest)
        detail = f"Priced as the {shape} it stands in for: {paragraph(verdict)}"
        return Headline(NO_VERDICT, detail, tuple(_caveats(findings)))
    return Headline(_claim(verdict), paragraph(verdict), tuple(_caveats(findings)))


def _claim(verdict: Verdict) -> str:
    if not verdict.best:
        return "No variant meets the objective" if verdict.outcome is Meets.no else "The data cannot tell yet"
    if len(verdict.best) > 1:
        return f"{list_names(verdict.best)} are tied"
    if len(verdict.ranking) == 1:
        return f"One variant so far: {verdict.best[0].label}"
    goal = "is the cheapest" if verdict.objective.budget_usd_730h is None else "serves the most"
    return f"{verdict.best[0].label} {goal} of {len(verdict.ranking)} variants"


def _caveats(findings: Findings) -> list[str]:
    caveats = []
    if findings.verdict.is_rehearsal:
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
