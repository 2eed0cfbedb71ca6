"""The page of published results, in Markdown: the verdict, its conditions and prices, the runs, and their recipes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

from analysis.formatting import commit_text, counted, run_name, server_name, stack_and_serving_name
from analysis.publish.recipe import Recipe, recipes, seed_of
from analysis.publish.selection import LeftOut
from analysis.report.comparison import cpus_table, ranking_table
from analysis.report.markdown import code, escaped
from analysis.report.tables import Column, Table
from analysis.results.schema.manifest import Manifest
from analysis.verdict.text import NO_VERDICT, paragraph
from analysis.verdict.verdict import Verdict

REMOVED = (
    "Names of nodes, machines, pods, private images and servers are replaced by others, such as node-1, which are the"
    " same for the same name in this folder and mean nothing outside it. Addresses, arguments of servers, the text of"
    " `shapebench:rerun`, sentences of logs and errors, and every field that is not on the list of what is published"
    " are not in it."
)
_BEFORE_A_RECIPE = (
    "In a checkout of this project, check out the commit, run `make setup` and `. tools/env.sh`, write the stack's"
    " file, and run the commands. With the seed in the file, the same requests are due at the same times, but for those"
    " of a capacity search, whose rates follow from the answers. What no run records, such as the check of answers and"
    " the nodes of the generator, is not in the file, and has the project's defaults.\n"
)
_REHEARSAL = "rehearsal"


def page(verdict: Verdict, left_out: Sequence[LeftOut], on: date) -> str:
    """The text of the page; `verdict` is that of the published store, and the page is in its folder."""
    runs = verdict.scan.manifests
    parts = (
        _head(runs, verdict, on),
        *_ranking(verdict),
        "## Conditions\n\nWhat the ranked runs have in common, and the price lists of all runs:\n",
        _list(_conditions(verdict, runs)),
        "## Runs\n",
        _runs_table(verdict).markdown(),
        *_left_out(left_out),
        "## Run them again\n",
        _BEFORE_A_RECIPE,
        *(_recipe(recipe) for recipe in recipes(runs)),
        "## Read them\n",
        "This folder is a results store. In a shell in which `. tools/env.sh` was run in a checkout, in this folder:\n",
        _block("sh", _reading(verdict)),
        f"## What was removed\n\n{REMOVED}\n",
    )
    return "\n".join(parts)


def left_out_text(left_out: Sequence[LeftOut]) -> str:
    """How many runs or files are left out, by the reason, such as `2 invalid, 1 damaged`."""
    return (
        ", ".join(f"{number} {why}" for why, number in Counter(omitted.why for omitted in left_out).items())
        or "nothing"
    )


def _head(runs: Sequence[Manifest], verdict: Verdict, on: date) -> str:
    stacks = len({run.stack for run in runs})
    first, last = min(run.started_at for run in runs), max(run.started_at for run in runs)
    rehearsal = f"\n**{NO_VERDICT}.**\n" if verdict.is_rehearsal else ""
    return (
        f"# Results of {on:%Y-%m-%d}\n\n{counted(len(runs), 'run')} of {counted(stacks, 'stack')}, measured from"
        f" {first:%Y-%m-%d} to {last:%Y-%m-%d}, and published by `shapebench publish` on {on:%Y-%m-%d}.\n{rehearsal}"
    )


def _ranking(verdict: Verdict) -> Iterator[str]:
    yield f"## Verdict\n\n{escaped(paragraph(verdict))}\n"
    if verdict.ranking:
        yield ranking_table(verdict.ranking).markdown()
    if by_cpu := cpus_table(verdict.ranking):
        yield by_cpu.markdown()


def _conditions(verdict: Verdict, runs: Sequence[Manifest]) -> Iterator[str]:
    yield from (f"{name}: {value}" for name, value in verdict.conditions.items())
    costs = dict.fromkeys((run.cost.source, run.cost.prices_as_of, run.cost.region) for run in runs)
    yield from (f"prices: {source}, of {as_of}, {region}, on demand" for source, as_of, region in costs)


def _runs_table(verdict: Verdict) -> Table:
    why_not = {run.run_id: "; ".join(reasons) for run, reasons in verdict.excluded}
    columns = ("run", "run id", "platform", "started, UTC", "server", "commit", "not ranked, because")
    rows = (
        (
            run_name(run),
            run.run_id,
            f"{run.platform} ({_REHEARSAL})" if run.platform == "local" else run.platform,
            f"{run.started_at:%Y-%m-%d %H:%M}",
            server_name(run),
            commit_text(run.git_commit),
            why_not.get(run.run_id, ""),
        )
        for run in verdict.scan.manifests
    )
    return Table("Runs", tuple(Column(title, "text") for title in columns), tuple(rows))


def _left_out(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """How many and why, since a choice of runs could be a choice of results; no sentence of a run is public."""
    if left_out:
        yield f"Left out of what was contributed: {left_out_text(left_out)}.\n"


def _recipe(recipe: Recipe) -> str:
    newest = recipe.manifests[-1]
    name = escaped(f"{stack_and_serving_name(newest)}, {newest.load.title}")
    of = ", ".join(
        code(run.run_id) + ("" if seed_of(run) is None else f" (seed {seed_of(run)})") for run in recipe.manifests
    )
    head = f"### {name}\n\n{counted(len(recipe.manifests), 'run')}: {of}. Commit {code(recipe.commit)}.\n"
    steps = ""
    if recipe.stack_file is not None:
        steps = (
            f"{_block('sh', [f'git checkout {recipe.commit}'])}\n"
            f"{code(f'stacks/Pulumi.{recipe.stack}.yaml')}:\n\n{_block('yaml', recipe.stack_file.splitlines())}\n"
            f"{_block('sh', recipe.commands)}"
        )
    return "\n".join(filter(None, (head, _list(recipe.missing), steps)))


def _reading(verdict: Verdict) -> Sequence[str]:
    objective = verdict.objective
    limits = "" if objective.latency_ms is None else f" {objective.options}"
    return (f"shapebench verdict --results .{limits}", "shapebench runs --results .")


def _list(items: Iterator[str] | Sequence[str]) -> str:
    return "".join(f"- {escaped(item)}\n" for item in items)


def _block(language: str, lines: Sequence[str]) -> str:
    return f"```{language}\n{chr(10).join(lines)}\n```\n"
