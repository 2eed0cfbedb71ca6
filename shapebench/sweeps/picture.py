"""Draws docs/pictures/sweep.svg: a simulated sweep of the fifteen published variants, half-way and at its end.

Run it after a change of what a sweep shows: `python -m shapebench.sweeps.picture`.
"""

from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI

from shapebench.sweeps.answer import answer
from shapebench.sweeps.view import screen
from stacks.files import load_settings
from stacks.machines.machine_series import machine_resources
from sweep.asked import read_settings
from sweep.conductor.snapshot import Place, Snapshot
from sweep.labels import labelled
from sweep.pulumi_fleet.expected import expected_of
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.estimate import assumed_world, estimate
from sweep.simulation.run import simulate
from sweep.strategies.create import strategy_of
from tools.pins import ROOT

PICTURE = ROOT / "docs/pictures/sweep.svg"
_COLUMNS, _ROWS = 116, 60
# As many candidates are eliminated in the picture.
_ELIMINATED = 6
_STACKS = ("2cpu-4gb", "4cpu-8gb", "8cpu-16gb", "8cpu-64gb")
# As rich draws a terminal, without the fonts that it loads from the internet, which a page of GitHub does not.
_SVG = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
    line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
<rect fill="#0c0c0c" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw() -> str:
    """The picture as SVG."""
    settings = published()
    expected = {stack: expected_of(stack) for stack in _STACKS}
    snapshots: list[Snapshot] = []
    with TemporaryDirectory() as folder:
        cloud = Cloud(assumed_world(settings, expected, settings.seed))
        outcome = simulate(Path(folder) / "simulated", settings, cloud, strategy_of(settings), snapshots.append)
    grid = estimate(settings.model_copy(update={"strategy": "grid"}), expected, strategy_of).usd
    console = Console(record=True, width=_COLUMNS, file=StringIO(), highlight=False, force_terminal=True)
    console.print("$ shapebench sweep --file published.yaml --simulated\n", style="bold")
    console.print(screen(next(filter(_is_half_way, snapshots)), settings, _COLUMNS, _ROWS))
    console.print("\n… and at the end:\n", style="dim")
    for line in answer(outcome, is_rehearsal=True, grid_usd=grid.median if grid else None):
        console.print(line, markup=False)
    return console.export_svg(code_format=_SVG, theme=MONOKAI, unique_id="sweep", title="")


def _is_half_way(snapshot: Snapshot) -> bool:
    eliminated = [candidate for candidate in snapshot.objectives[0].candidates if candidate.place is Place.eliminated]
    return len(eliminated) >= _ELIMINATED


def published() -> SweepSettings:
    """A sweep of the fifteen variants: four shapes with three numbers of threads, one of them also with batching."""
    objective = {"inter_op": [2, 4, 8], "objectives": [{"p99": "400ms", "errors": "0.1%"}]}
    plain = read_settings(None, {"stacks": list(_STACKS)} | objective)
    batched = read_settings(None, {"stacks": [_STACKS[-1]], "batching": [128]} | objective)
    vcpus = {stack: machine_resources(load_settings(stack).shape.machine_type)[0] for stack in _STACKS}
    return plain.model_copy(
        update={"candidates": labelled((*plain.candidates, *batched.candidates), vcpus), "simulated": True}
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
