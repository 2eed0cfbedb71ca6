"""The top of a report: the answer, what it rests on, the next commands, and the caveats."""

from dataclasses import dataclass

from analysis.formatting import shape_name
from analysis.report.collect import Findings
from analysis.verdict.next_steps import NextStep
from analysis.verdict.text import NO_VERDICT, claim, paragraph


@dataclass(frozen=True)
class Headline:
    """The answer in one sentence and in detail, what to run next, and what must not be concluded from it."""

    claim: str
    detail: str
    next: tuple[NextStep, ...]
    caveats: tuple[str, ...]


def headline(findings: Findings) -> Headline:
    verdict = findings.verdict
    detail = paragraph(verdict)
    if findings.invalid and len(findings.invalid) == len(findings.runs):
        count = len(findings.invalid)
        detail = f"{'The only run is' if count == 1 else f'All {count} runs are'} invalid; the reasons are below."
    top = claim(verdict)
    if verdict.is_rehearsal:
        top = NO_VERDICT
        if verdict.ranking:
            detail = f"Priced as the {shape_name(verdict.ranking[0].variant.newest)} it stands in for: {detail}"
    return Headline(top, detail, verdict.next, tuple(_caveats(findings)))


def _caveats(findings: Findings) -> list[str]:
    caveats = []
    if findings.verdict.is_rehearsal:
        caveats.append(
            "Server and load generator shared the cores of this machine, so throughput is lower and latency higher "
            "than with a generator on another machine, and there was no network between them. This report shows that "
            "everything works, and how two runs on this machine differ. It does not show which cloud shape is cheapest "
            "or what its capacity is."
        )
    if any(run.manifest.serving.model.weights == "random" for run in findings.runs):
        caveats.append(
            "The model has random weights: it computes the same at the same speed, but its predictions mean nothing."
        )
    return caveats
