"""Several runs in one update: one after the other, each kept when it is done, and the middle one's figures shown."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from analysis.results.manifest import Repeat
from analysis.results.store import new_run_id
from provider.resource import Operation, Props, ResourceError


@dataclass(frozen=True)
class OneRun:
    """One run of an update: its id, and its place among the repeats, None where it is the only one."""

    run_id: str
    repeat: Repeat | None = None


def run_all(inputs: Props, operation: Operation, run: Callable[[OneRun, Operation], Props]) -> Props:
    """Run the test as often as `repeats` says; returns runId and headline of the middle run, and all runIds in order.

    `run` returns runId and headline of one. Raises ResourceError where one fails or the user gives up; those before it
    are kept, and the message names them.
    """
    count = int(inputs["repeats"])
    if count == 1:
        kept = run(OneRun(new_run_id()), operation)
        return kept | {"runIds": [kept["runId"]]}
    group = new_run_id()
    done: list[Props] = []
    for index in range(1, count + 1):
        if done and operation.cancelled.is_set():
            raise ResourceError(f"the load test was cancelled before run {index} of {count}{_those_before(done)}")
        this = OneRun(new_run_id() if done else group, Repeat(group=group, index=index, of=count))
        try:
            done.append(run(this, _numbered(operation, index, count)))
        except ResourceError as error:
            raise ResourceError(f"run {index} of {count}: {error}{_those_before(done)}") from error
    return middle(done, inputs["profile"]["mode"]) | {"runIds": [kept["runId"] for kept in done]}


def middle(done: list[Props], mode: str) -> Props:
    """The run in the middle by good predictions a second; where the schedule sets those, in an open loop, by p99.

    Of an even number, the worse of the two in the middle. A run without the figure counts as the worst.
    """
    figure, sign = ("p99_ms", -1.0) if mode == "open" else ("goodput_rps", 1.0)

    def quality(kept: Props) -> float:
        value = kept["headline"].get(figure)
        return float("-inf") if value is None else sign * value

    return sorted(done, key=quality)[(len(done) - 1) // 2]


def _numbered(operation: Operation, index: int, count: int) -> Operation:
    where = f"run {index} of {count}: "
    return replace(
        operation,
        say=lambda text: operation.say(where + text),
        show=lambda text: operation.show(where + text),
    )


def _those_before(done: list[Props]) -> str:
    if not done:
        return ""
    names = ", ".join(kept["runId"] for kept in done)
    return f". Finished before it, valid and kept: {names}"
