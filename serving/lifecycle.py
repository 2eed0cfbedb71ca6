"""The life of the embedded server: load and warm the model, open both APIs, end cleanly. Imports TensorFlow."""

import gc
import logging
import signal
import socket
import threading
import time

import grpc
import tensorflow as tf
import uvicorn

from serving.api.core import ServerCore
from serving.api.errors import StartError
from serving.api.grpc_api import grpc_server
from serving.api.metrics import Metrics
from serving.api.rest import RestApi
from serving.model.model import Model
from serving.prepare import Prepared

_GRACE_S = 5
_log = logging.getLogger(__name__)


def serve(prepared: Prepared) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError where that cannot be; no port is left open then."""
    core = ServerCore(_loaded_model(prepared), prepared.batching, Metrics(prepared.flags.model_name))
    # What is loaded stays; the collector need not look through it again with every request.
    gc.freeze()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    grpc_api = _started_grpc(core, prepared)
    rest_api = _started_rest(core, prepared, prepared.rest_socket, stop) if prepared.rest_socket else None
    stop.wait()
    grpc_stopped = grpc_api.stop(_GRACE_S)
    if rest_api:
        rest_api.stop()
    grpc_stopped.wait()
    core.close()


def _loaded_model(prepared: Prepared) -> Model:
    flags, version = prepared.flags, prepared.version
    tf.config.threading.set_intra_op_parallelism_threads(flags.intra_op_threads)
    tf.config.threading.set_inter_op_parallelism_threads(flags.inter_op_threads)
    start_s = time.monotonic()
    try:
        model = Model(flags.model_name, version.number, version.folder)
        records = model.warm_up(flags.num_request_iterations_for_warmup) if flags.enable_model_warmup else 0
    except Exception as error:
        raise StartError(f"the model at {version.folder} does not load: {error}") from error
    _log.info(
        "loaded model %s version %d in %.1f s, warmed up with %d records",
        model.name, model.version, time.monotonic() - start_s, records,
    )  # fmt: skip
    return model


def _started_grpc(core: ServerCore, prepared: Prepared) -> grpc.Server:
    server = grpc_server(core, prepared.flags)
    server.start()
    _log.info("gRPC at %s:%d", prepared.flags.bind_address, prepared.flags.port)
    return server


class _RestThread:
    """uvicorn in a thread of its own, so that signals stay with the main thread and end both APIs alike."""

    def __init__(self, server: uvicorn.Server, bound: socket.socket, ended: threading.Event) -> None:
        self._server = server
        self._thread = threading.Thread(target=self._run, args=(bound, ended), name="rest-loop")
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self, bound: socket.socket, ended: threading.Event) -> None:
        try:
            self._server.run(sockets=[bound])
        finally:
            ended.set()


def _started_rest(core: ServerCore, prepared: Prepared, bound: socket.socket, ended: threading.Event) -> _RestThread:
    flags = prepared.flags
    api = RestApi(
        core,
        threads=flags.rest_api_num_threads,
        timeout_s=flags.rest_api_timeout_in_ms / 1000,
        max_body_bytes=flags.rest_api_max_body_bytes,
    )
    config = uvicorn.Config(
        api.application(prepared.prometheus_path),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        # A user that thinks between two requests must not find its connection closed.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=_GRACE_S,
    )
    _log.info("REST at %s:%d", flags.bind_address, flags.rest_api_port)
    return _RestThread(uvicorn.Server(config), bound, ended)
