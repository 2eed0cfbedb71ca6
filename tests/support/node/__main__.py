"""`python -m tests.support.node` runs a cluster of one node until Ctrl-C. Needs root and `make setup-node`."""

import argparse
import sys
from pathlib import Path

from tests.support.foreground import run_in_foreground
from tests.support.node.single_node import DEFAULT_FOLDER, SingleNode


def main() -> int:
    """Run a cluster until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.node", description=__doc__)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=DEFAULT_FOLDER, help="where its data and logs go; emptied first"
    )
    return run_in_foreground(SingleNode(parser.parse_args().folder))


if __name__ == "__main__":
    sys.exit(main())
