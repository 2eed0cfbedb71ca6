"""The loop of a sweep: one coroutine for each stack, until every objective is decided and every stack destroyed."""

from sweep.conductor.snapshot import Observer, Outcome
from sweep.fleet import Fleet
from sweep.journal.journal import Journal
from sweep.strategy import Strategy

HEARTBEAT_S = 10


class Conductor:
    """Runs the sweep of a journal, from the beginning or from where it was cut off.

    `observe` is called at each change and every `heartbeat_s`, from the event loop; between two runs of a stack it is
    called before the next begins.
    """

    def __init__(
        self,
        journal: Journal,
        fleet: Fleet,
        strategy: Strategy,
        observe: Observer | None = None,
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        raise NotImplementedError

    async def run(self) -> Outcome:
        """Run to the end. Raises LastingError, with nothing made, where the sweep cannot begin."""
        raise NotImplementedError

    def stop(self) -> None:
        """Once: begin no task, cancel those that run, destroy every stack. Twice: cancel that too, and end at once."""
        raise NotImplementedError
