"""The embedded server: `python -m serving.server --model_base_path=… --port=… --rest_api_port=…`.

Takes `tensorflow_model_server`'s flags and speaks its two APIs on the loopback. What it does otherwise than that one:
docs/serving.md.
"""

import logging
import os
import sys
from collections.abc import Sequence

from serving.api.errors import StartError
from serving.command import SERVER_NAME, server_version
from serving.flags import parse_flags
from serving.prepare import prepare

_log = logging.getLogger("serving")


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean end, 1 where the server could not start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("absl").setLevel(logging.WARNING)
    try:
        prepared = prepare(parse_flags(arguments))
        _log.info("%s %s, process %d", SERVER_NAME, server_version(), os.getpid())
        # TensorFlow takes seconds to import, and neither --version nor a mistake should wait for it.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from serving.lifecycle import serve  # noqa: PLC0415 - see above

        serve(prepared)
    except StartError as error:
        _log.error("%s", error)
        return 1
    _log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
