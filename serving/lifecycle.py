"""Runs the embedded server: loads and warms up the model, opens both APIs, stops cleanly. Imports TensorFlow."""

import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pkgutil import resolve_name

import tensorflow as tf
import uvicorn

from serving.api.grpc_api import grpc_server
from serving.api.rest import RestApi
from serving.api.rest_connection import TimedProtocol
from serving.api.served_model import ServedModel
from serving.errors import StartError
from serving.memory import return_memory
from serving.metrics import Metrics
from serving.model.loaded_model import ConversionError, SavedModel
from serving.request_memory import RequestMemory
from serving.runtimes import RUNTIMES
from serving.startup import Startup

# Requests have the first on SIGTERM, after the second the process is ended. TensorFlow cannot be interrupted in a call.
# The rest of the promised 5 s is for a machine so busy that a thread of this process waits for a core for a second.
_GRACE_S = 3
_END_S = 3.5
CUT_OFF = 3
"""The exit code where a call did not end in time."""
_log = logging.getLogger(__name__)


def serve(startup: Startup) -> None:
    """Serve until SIGTERM or SIGINT; ends the process with CUT_OFF if a call outlasts that.

    Raises StartError if the server cannot start, and then leaves no port open.
    """
    served = ServedModel(_loaded_model(startup), startup.batching, Metrics(startup.flags.model_name))
    return_memory()
    # The model stays loaded, so the garbage collector need not scan its objects again.
    gc.freeze()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    memory = RequestMemory(startup.flags.request_memory_bytes)
    memory.watch()
    grpc_api = grpc_server(served, memory, startup.flags)
    grpc_api.start()
    _log.info("gRPC at %s:%d", startup.flags.bind_address, startup.flags.port)
    bound = startup.rest_socket
    stop_rest = _serve_rest(served, memory, startup, bound, stop) if bound else None
    stop.wait()
    end = threading.Timer(_END_S, _cut_off)
    end.daemon = True
    end.start()
    grpc_stopped = grpc_api.stop(_GRACE_S)
    if stop_rest:
        stop_rest()
    grpc_stopped.wait()
    served.close()


def _loaded_model(startup: Startup) -> SavedModel:
    flags, version = startup.flags, startup.version
    tf.config.threading.set_intra_op_parallelism_threads(flags.intra_op_threads)
    tf.config.threading.set_inter_op_parallelism_threads(flags.inter_op_threads)
    start_s = time.monotonic()
    try:
        model_class: type[SavedModel] = resolve_name(RUNTIMES[flags.runtime].model)
        threads = flags.intra_op_threads, flags.inter_op_threads
        model = model_class(flags.model_name, version.number, version.folder, *threads)
    except ConversionError as error:
        raise StartError(
            f"the model at {version.folder} cannot be served with --runtime={flags.runtime}: {error}; serve it with"
            " TensorFlow: shapebench:local.server embedded, or tensorflow_model_server"
        ) from error
    except Exception as error:
        raise StartError(f"the model at {version.folder} does not load: {error}; export it again") from error
    return_memory()  # before the warm-up, whose own memory would keep the freed pages
    try:
        records = model.warm_up(flags.num_request_iterations_for_warmup) if flags.enable_model_warmup else 0
    except Exception as error:
        raise StartError(
            f"the model at {version.folder} cannot be warmed up: {error}; export it again, or start the server with"
            " --enable_model_warmup=false"
        ) from error
    _log.info(
        "loaded model %s version %d in %.1f s, warmed up with %d records",
        model.name, model.version, time.monotonic() - start_s, records,
    )  # fmt: skip
    return model


def _cut_off() -> None:
    """End the process, whose interpreter would wait for its threads."""
    _log.warning("a call did not end within %g s and is cut off", _END_S)
    os._exit(CUT_OFF)


def _serve_rest(
    served: ServedModel, memory: RequestMemory, startup: Startup, bound: socket.socket, stop: threading.Event
) -> Callable[[], None]:
    """Run uvicorn in a thread, as the main thread gets the signals; sets `stop` when it ends. Returns what stops it."""
    flags = startup.flags
    api = RestApi(
        served,
        memory,
        threads=flags.rest_api_num_threads,
        timeout_s=flags.rest_api_timeout_in_ms / 1000,
        max_body_bytes=flags.rest_api_max_body_bytes,
    )
    config = uvicorn.Config(
        api.application(startup.prometheus_path),
        http=TimedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        # A user who pauses between two requests must find the connection still open.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)

    def run() -> None:
        try:
            server.run(sockets=[bound])
        finally:
            stop.set()

    def stop_rest() -> None:
        server.should_exit = True
        thread.join()

    thread = threading.Thread(target=run, name="rest-loop")
    _log.info("REST at %s:%d", flags.bind_address, flags.rest_api_port)
    thread.start()
    return stop_rest
