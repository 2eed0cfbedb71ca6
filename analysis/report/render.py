"""Writes the report: fills the HTML and the Markdown template with its document."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis.report.collect import Findings
from analysis.report.document import Document, RunPage, document
from analysis.report.folders import REPORT_HTML, make_folder
from analysis.report.markdown import code, escaped

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(
    findings: Findings, folder: Path, *, seed: bool = False, drawn: dict[str, RunPage] | None = None
) -> tuple[Path, Path]:
    """Write `report.html` and `report.md` into `folder`, over older ones, and return both paths; raises OSError.

    `drawn`: see `document`.
    """
    content = document(findings, seed=seed, drawn=drawn)
    make_folder(folder)
    html, markdown = folder / REPORT_HTML, folder / "report.md"
    for path in (html, markdown):
        # In one step, so that nobody reads half of it.
        half_written = path.with_name(f".{path.name}.half-written")
        try:
            half_written.write_text(fill(path.name, content, findings.store_uri), encoding="utf-8")
            half_written.replace(path)
        finally:
            half_written.unlink(missing_ok=True)
    return html, markdown


def fill(name: str, content: Document, store_uri: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(("html.j2",)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"escaped": escaped, "code": code}
    style = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template(f"{name}.j2").render(report=content, store_uri=store_uri, style=style)
