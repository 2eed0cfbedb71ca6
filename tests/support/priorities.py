"""Which processes run which test modules: those of low priority what only computes, the others what must be in time."""

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

# The tests of these folders wait for servers and for the ends of loads, and their requests must be sent in time.
_IN_TIME = ("tests/engine/", "tests/unit/loadtest/", "tests/unit/provider/", "tests/unit/serving/")


class TwoPriorities(LoadFileScheduling):
    """Gives processes that were started with `nice` only modules that compute; others take those when theirs are over.

    Computing fills the time in which the other tests wait, and does not keep them from a core.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        has_low_priority = node.gateway.spec.nice is not None
        module = next((path for path in self.workqueue if path.startswith(_IN_TIME) != has_low_priority), None)
        if module is not None:
            self.workqueue.move_to_end(module, last=False)
        elif has_low_priority:
            node.shutdown()
            return
        super()._assign_work_unit(node)
