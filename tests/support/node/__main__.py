"""`python -m tests.support.node` runs a cluster of one node until Ctrl-C. Needs root and `make setup-node`."""

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.support.node.single_node import DEFAULT_FOLDER, SingleNode
from tools.console import SetupError, say


def main() -> int:
    """Run a cluster until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.node", description=__doc__)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=DEFAULT_FOLDER, help="where its data and logs go; emptied first"
    )
    folder = parser.parse_args().folder
    # So that SIGTERM, too, stops the cluster first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        with SingleNode(folder) as node:
            say(f"ready after {time.monotonic() - began:.1f} s: export KUBECONFIG={node.kubeconfig}")
            signal.pause()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
