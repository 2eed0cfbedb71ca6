"""The embedded server: `python -m serving.server --model_base_path=… --port=… --rest_api_port=…`.

It takes the flags of `tensorflow_model_server` and serves the same REST and gRPC APIs. docs/serving.md lists the
differences.
"""

import gc
import logging
import os
import sys
from collections.abc import Sequence

from serving.errors import StartError
from serving.flags import parse_flags
from serving.memory import limit_heaps
from serving.startup import check_startup
from stacks.server.servers import EMBEDDED
from stacks.version import VERSION

_log = logging.getLogger("serving")


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT. Returns 0 after a clean stop, 1 if the server could not start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("absl").setLevel(logging.WARNING)
    limit_heaps()
    try:
        startup = check_startup(parse_flags(arguments))
        _log.info("%s %s on %s, process %d", EMBEDDED.name, VERSION, startup.flags.runtime, os.getpid())
        # TensorFlow takes seconds to import: --version and wrong flags are answered before that.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        # What is imported stays, so looking for garbage in it again and again would take a quarter of that time.
        gc.disable()
        from serving.lifecycle import serve  # noqa: PLC0415 - see above

        gc.enable()

        serve(startup)
    except StartError as error:
        _log.error("%s", error)
        return 1
    _log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
