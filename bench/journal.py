"""Whether damage of a sweep's folder or its results store changes an answer without a word, or keeps a stack up.

Each seed is a sweep on a simulated fleet (bench.fleets.chaos has its stacks), killed at a random moment with stacks up.
Then its folder or its results store is damaged in one of the ways of bench.fleets.damages, or its disk is full from
then on, and it is resumed. The damage is unnoticed if the resumed sweep gives another answer than without it, and says
nothing. Destroy is not reached if a stack is up at the end.

A third of the damages are of what one task of the real fleet leaves behind, its record and its stack file, or of the
disk that they are on, with a program in place of Pulumi that notes what it is told.
"""

import os
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.figures import Figure, argument_parser, progress, report, start
from bench.fleets.damaged_sweeps import Graded, damaged_sweep, damaged_task

SMALLEST = ("--damages", "6")
_TASK_SHARE = 3


def main() -> None:
    parser = argument_parser("journal", __doc__)
    parser.add_argument("--damages", type=int, default=300, help="(default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=30_000, help="(default: %(default)s)")
    arguments = start(parser, ["pulumi"])
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.damages)
    with ProcessPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as processes:
        graded = list(processes.map(grade, seeds))
    for each in graded:
        for problem in each.problems:
            progress(f"seed {each.seed}, {each.damage}: {problem}")
    count = len(graded)
    kinds = Counter(each.damage for each in graded)
    figures = [
        Figure(f"{count} damages: unnoticed", sum(each.is_unnoticed for each in graded), "", "<= 0"),
        Figure(f"{count} damages: destroy not reached", sum(each.is_up for each in graded), "", "<= 0"),
        Figure(f"{count} damages: tracebacks", sum(bool(each.error) for each in graded), "", "<= 0"),
        Figure(f"{count} damages: answered as without the damage", sum(each.is_same for each in graded), ""),
        *(Figure(f"damages: {name}", number, "") for name, number in sorted(kinds.items())),
    ]
    report("journal", figures)


def grade(seed: int) -> Graded:
    """Damage the sweep, or the task, of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        grading = damaged_task if seed % _TASK_SHARE == 0 else damaged_sweep
        return grading(Path(folder), seed)


if __name__ == "__main__":
    main()
