"""`python -m tests.support.setup kubernetes|node` builds the programs that some tests run, where they are missing.

It needs `make setup-dev`. `kubernetes` is a control plane, Pulumi's provider for it, an object-store server and
Prometheus; `node` adds a node's programs.
"""

import sys

from tests.support.go_programs import OBJECT_STORE, PROMETHEUS
from tests.support.kubernetes.binaries import ensure_kubernetes
from tests.support.node.obstacles import why_no_node_can_run
from tests.support.node.programs import ensure_node
from tools.console import run_setup, say
from tools.pins import ROOT
from tools.stamps import exclusively


def main(tier: str) -> None:
    """Build the tier's programs."""
    with exclusively(ROOT / ".tools/lock"):
        ensure_kubernetes(ROOT)
        OBJECT_STORE.ensure(ROOT)
        PROMETHEUS.ensure(ROOT)
        if tier == "node":
            _ensure_node_if_possible()


def _ensure_node_if_possible() -> None:
    if obstacle := why_no_node_can_run():
        say(f"no node can run here, so none is built and the tests that need one are skipped: {obstacle}")
    else:
        ensure_node(ROOT)


if __name__ == "__main__":
    sys.exit(run_setup(lambda: main(sys.argv[1])))
