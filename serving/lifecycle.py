"""Runs the embedded server: loads and warms up the model, opens both APIs, stops cleanly. Imports TensorFlow."""

import gc
import logging
import signal
import socket
import threading
import time

import grpc
import tensorflow as tf
import uvicorn

from serving.api.grpc_api import grpc_server
from serving.api.rest import RestApi
from serving.api.served_model import ServedModel
from serving.errors import StartError
from serving.metrics import Metrics
from serving.model.loaded_model import LoadedModel
from serving.startup import Startup

_GRACE_S = 5
_log = logging.getLogger(__name__)


def serve(startup: Startup) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError if the server cannot start, and then leaves no port open."""
    served = ServedModel(_loaded_model(startup), startup.batching, Metrics(startup.flags.model_name))
    # The model stays loaded, so the garbage collector need not scan its objects again.
    gc.freeze()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    grpc_api = _started_grpc(served, startup)
    rest_api = _RestThread(served, startup, startup.rest_socket, stop) if startup.rest_socket else None
    stop.wait()
    grpc_stopped = grpc_api.stop(_GRACE_S)
    if rest_api:
        rest_api.stop()
    grpc_stopped.wait()
    served.close()


def _loaded_model(startup: Startup) -> LoadedModel:
    flags, version = startup.flags, startup.version
    tf.config.threading.set_intra_op_parallelism_threads(flags.intra_op_threads)
    tf.config.threading.set_inter_op_parallelism_threads(flags.inter_op_threads)
    start_s = time.monotonic()
    try:
        model = LoadedModel(flags.model_name, version.number, version.folder)
        records = model.warm_up(flags.num_request_iterations_for_warmup) if flags.enable_model_warmup else 0
    except Exception as error:
        raise StartError(f"the model at {version.folder} does not load: {error}") from error
    _log.info(
        "loaded model %s version %d in %.1f s, warmed up with %d records",
        model.name, model.version, time.monotonic() - start_s, records,
    )  # fmt: skip
    return model


def _started_grpc(served: ServedModel, startup: Startup) -> grpc.Server:
    server = grpc_server(served, startup.flags)
    server.start()
    _log.info("gRPC at %s:%d", startup.flags.bind_address, startup.flags.port)
    return server


class _RestThread:
    """uvicorn in a thread, so that the main thread gets the signals and stops both APIs. Sets `stop` when it ends."""

    def __init__(self, served: ServedModel, startup: Startup, bound: socket.socket, stop: threading.Event) -> None:
        flags = startup.flags
        api = RestApi(
            served,
            threads=flags.rest_api_num_threads,
            timeout_s=flags.rest_api_timeout_in_ms / 1000,
            max_body_bytes=flags.rest_api_max_body_bytes,
        )
        config = uvicorn.Config(
            api.application(startup.prometheus_path),
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            # A user who pauses between two requests must find the connection still open.
            timeout_keep_alive=3600,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=(bound, stop), name="rest-loop")
        _log.info("REST at %s:%d", flags.bind_address, flags.rest_api_port)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self, bound: socket.socket, stop: threading.Event) -> None:
        try:
            self._server.run(sockets=[bound])
        finally:
            stop.set()
