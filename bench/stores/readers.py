"""Every reader of a results store, in this process: what it says is wrong, which runs it shows, and how it ends."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from typer.testing import CliRunner

from analysis.results.storage.store import ResultsStore
from shapebench import tables
from shapebench.cli import app
from shapebench.output import REHEARSAL_EXIT_CODE
from tools.pull_request import comment, measured
from tools.pull_request.preview import Preview, read_latest

# Flat, so that little of the time is spent on its fleets.
_DAY = ("--peak", "100", "--night", "100")
_COMMIT, _RUN_URL = "0123456789abcdef", "https://example.com/run"


@dataclass(frozen=True)
class Answer:
    """`said` are the lines about what is wrong; `shown` is the output; `crash` is a traceback's last line."""

    said: frozenset[str]
    shown: str
    failed: bool = False
    crash: str | None = None


@dataclass(frozen=True)
class Reader:
    """`shows`: the runs by their ids or the ends of these, or only the stacks that have a search with known figures.

    What a reader chooses or estimates from may change with a run that is missing, so nothing is asked of it.
    """

    name: str
    read: Callable[[Path, Path, Path, str], Answer]
    shows: str


def readers() -> list[Reader]:
    """Each reads a store, may use a whole copy and a folder of its own, and is asked for one run where it shows one."""
    return [
        Reader("runs", lambda store, *_: _command(store, "runs"), "short ids"),
        Reader("runs --json", lambda store, *_: _command(store, "runs", "--json"), "runs"),
        Reader("show", lambda store, _whole, _out, run: _command(store, "show", run), "run"),
        Reader("show --json", lambda store, _whole, _out, run: _command(store, "show", run, "--json"), "run"),
        Reader("latest", lambda store, *_: _command(store, "latest"), "stacks"),
        Reader("latest --json", lambda store, *_: _command(store, "latest", "--json"), "stacks"),
        Reader("latest --against", _latest_against, "stacks"),
        Reader("latest, as the other store", _latest_as_the_other, "stacks"),
        Reader("verdict", lambda store, *_: _command(store, "verdict"), "variants"),
        Reader("verdict --json", lambda store, *_: _command(store, "verdict", "--json"), "variants"),
        Reader("plan", lambda store, *_: _command(store, "plan", "--rps", "100"), "variants"),
        Reader("plan --json", lambda store, *_: _command(store, "plan", "--rps", "100", "--json"), "variants"),
        Reader("day", lambda store, *_: _command(store, "day", *_DAY), "variants"),
        Reader("day --json", lambda store, *_: _command(store, "day", *_DAY, "--json"), "variants"),
        Reader("manifests", _manifests, "nothing"),
        Reader("estimate", lambda store, *_: _command(store, "estimate"), "nothing"),
        Reader("estimate --json", lambda store, *_: _command(store, "estimate", "--json"), "nothing"),
        Reader("compare", _compare, "short id"),
        Reader("compare --json", lambda *given: _compare(*given, "--json"), "run"),
        Reader("report", _report, "runs"),
        Reader("export", _export, "runs"),
        Reader("publish", _publish, "runs"),
        Reader("Store.runs", lambda store, *_: _table(store), "runs"),
        Reader("Store.rows", lambda store, _whole, _out, run: _table(store, run), "rows"),
        Reader("comment on a preview", _preview_comment, "stacks"),
        Reader("comment on a measurement", _measured_comment, "stacks"),
    ]


def _command(store: Path, *arguments: str) -> Answer:
    result = CliRunner().invoke(app, [*arguments, "--results", str(store)])
    crash = result.exception if not isinstance(result.exception, SystemExit) else None
    said = set(result.stderr.splitlines())
    if arguments[0] == "show":
        said |= {f"{arguments[1]}: {line}" for line in result.stdout.splitlines() if line.startswith("invalid: ")}
    if "--json" in arguments and result.stdout.startswith("{"):
        said |= set(_said_in_json(json.loads(result.stdout)))
    return Answer(
        frozenset(said),
        result.stdout,
        result.exit_code not in {0, REHEARSAL_EXIT_CODE},
        None if crash is None else f"{type(crash).__name__}: {crash}"[:300],
    )


def _said_in_json(found: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{each['path']} {each['why']}" for each in found.get("problems", ()))
    yield from found.get("unfinished", ())
    of_one_run = [found] if "run_id" in found else []
    runs = found.get("runs", ())
    if "conditions_that_differ" in found:  # of two runs that are compared
        pairs = zip(runs, found["reasons"], strict=True)
        runs = [{"run_id": run_id, "reasons": reasons} for run_id, reasons in pairs]
    for run in (*of_one_run, *runs, *found.get("excluded", ())):
        yield from (f"{run['run_id']}: {reason}" for reason in (*run.get("reasons", ()), run.get("reason", "")))
    for each in (found.get("against"), *found.get("changes", ())):
        yield from _said_in_json(each) if each else ()


def _compare(store: Path, _whole: Path, _out: Path, run_id: str, *options: str) -> Answer:
    """Of the run and the first other one that can be read."""
    others = [run.run_id for run in ResultsStore(str(store)).scan().manifests if run.run_id != run_id]
    answer = _command(store, "compare", run_id, others[0], *options)
    return Answer(frozenset(f"{run_id}: {line}" for line in answer.said), answer.shown, answer.failed, answer.crash)


def _manifests(store: Path, _whole: Path, out: Path, _run: str) -> Answer:
    return _command(store, "manifests", *_DAY, "--model", "gs://bucket/resnet", "--out", str(out / "manifests"))


def _latest_against(store: Path, whole: Path, _out: Path, _run: str) -> Answer:
    return _command(store, "latest", "--against", str(whole))


def _latest_as_the_other(store: Path, whole: Path, _out: Path, _run: str) -> Answer:
    return _command(whole, "latest", "--against", str(store))


def _report(store: Path, _whole: Path, out: Path, _run: str) -> Answer:
    """It says itself which runs are invalid, and why."""
    answer = _command(store, "report", "--out", str(out))
    written = out / "report.md"
    text = written.read_text() if written.exists() else ""
    return Answer(answer.said | frozenset(text.splitlines()), text, answer.failed, answer.crash)


def _export(store: Path, _whole: Path, out: Path, _run: str) -> Answer:
    answer = _command(store, "export", "--out", str(out / "export"), "--rows")
    written = out / "export/runs.csv"
    return Answer(answer.said, written.read_text() if written.exists() else "", answer.failed, answer.crash)


def _publish(store: Path, _whole: Path, out: Path, _run: str) -> Answer:
    answer = _command(store, "publish", "--to", str(out / "published"))
    written = out / "published/README.md"
    return Answer(answer.said, written.read_text() if written.exists() else "", answer.failed, answer.crash)


def _table(store: Path, *run_id: str) -> Answer:
    """As `import shapebench` reads it, in its other process: an Arrow stream on stdout, and notes on stderr."""
    written, said = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    try:
        with redirect_stdout(written), redirect_stderr(said):
            status = tables.main(str(store), *run_id)
    except Exception as error:  # noqa: BLE001 - whatever would be a traceback
        crash = f"{type(error).__name__}: {error}"
        return Answer(frozenset(said.getvalue().splitlines()), "", failed=True, crash=crash)
    lines = frozenset(f"{' '.join(run_id)} {line}" for line in said.getvalue().splitlines())
    if status != 0:
        return Answer(lines, "", failed=True)
    frame = pa.ipc.open_stream(written.buffer.getvalue()).read_all()
    return Answer(lines, " ".join(frame["run_id"].to_pylist()) if not run_id else f"{frame.num_rows} rows")


def _preview_comment(store: Path, _whole: Path, _out: Path, _run: str) -> Answer:
    """The comment that the previews of all stacks become, of what `shapebench latest --json` prints for each."""
    previews = []
    for stack in ("8cpu-16gb", "4cpu-8gb", "2cpu-4gb", "local"):
        printed = _command(store, "latest", "--stack", stack, "--json")
        if printed.failed:
            return printed
        read = read_latest(stack, printed.shown)
        previews.append(Preview(stack=stack, failed=False, changes=(), cost=None, problems=(), **read))
    text = comment.compose(previews, [preview.stack for preview in previews], _COMMIT, _RUN_URL)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return Answer(frozenset(text.splitlines()), "\n".join(line for line in rows if "requests/s" in line))


def _measured_comment(store: Path, whole: Path, out: Path, _run: str) -> Answer:
    printed = _command(store, "latest", "--against", str(whole), "--json")
    if printed.failed:
        return printed
    out.mkdir(exist_ok=True)
    (out / measured.CHANGES).write_text(printed.shown)
    found = measured.read_measurement(out)
    text = measured.compose(found, list(found.changes), _COMMIT, _RUN_URL)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return Answer(frozenset(text.splitlines()), "\n".join(line for line in rows if "%" in line))
