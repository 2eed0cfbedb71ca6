"""TF Serving's REST API, the Open Inference Protocol's and image uploads, as a FastAPI application."""

import asyncio
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from http import HTTPStatus
from typing import TypeVar

import orjson
from fastapi import FastAPI, Request, Response
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving.api.image_codec import decode_image
from serving.api.json_codec import decode, encode
from serving.api.served_model import ServedModel, find_signature, model_spec, signature_def_map
from serving.api.upload import uploaded
from serving.api.v2_codec import decode_infer, encode_infer
from serving.api.v2_metadata import model_metadata, server_metadata
from serving.errors import Code, ServingError, invalid_argument, too_large
from serving.memory import trim
from serving.model.loaded_model import SavedModel
from serving.request_memory import RequestMemory, too_slow

_T = TypeVar("_T")
# What decodes a request's body; what that returns computes the answer.
_Compute = Callable[[SavedModel, bytes], Callable[[], Response]]
# As in the published FastAPI experiment: api/main.py in github.com/sayakpaul/ml-deployment-k8s-fastapi.
IMAGE_PATH = "/predict/image"
# Of the extension for binary tensors.
_BINARY_HEADER = "inference-header-content-length"
# Larger bodies, and zipped ones, are decoded one at a time; after a still larger one its memory is returned.
_ALONE_BYTES = 1 << 20
_TRIM_BYTES = 4 << 20
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class _Version(IntegerConvertor):
    """A version number of at most 64 bits: int() refuses 4,301 digits, a protocol message 20."""

    regex = "[0-9]{1,18}"


class RestApi:
    """The endpoints. `threads` threads decode, run and encode requests; the event loop only moves bytes."""

    def __init__(
        self, served: ServedModel, memory: RequestMemory, *, threads: int, timeout_s: float, max_body_bytes: int
    ) -> None:
        self._served = served
        self._memory = memory
        self._timeout_s = timeout_s
        self._max_body_bytes = max_body_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        self._trims = False
        self._one_at_a_time = threading.Lock()

    def application(self, prometheus_path: str | None) -> FastAPI:
        """The ASGI application; `prometheus_path` is None if monitoring is off."""
        register_url_convertor("model_version", _Version())
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        for version in ("", "/versions/{version:model_version}", "/labels/{label}"):
            model = "/v1/models/{name}" + version
            app.add_api_route(f"{model}:predict", self.predict, methods=["POST"])
            app.add_api_route(f"{model}:classify", self.unimplemented, methods=["POST"])
            app.add_api_route(f"{model}:regress", self.unimplemented, methods=["POST"])
            app.add_api_route(f"{model}/metadata", self.metadata, methods=["GET"])
            app.add_api_route(model, self.status, methods=["GET"])
        for version in ("", "/versions/{version:model_version}"):
            model = "/v2/models/{name}" + version
            app.add_api_route(f"{model}/infer", self.infer, methods=["POST"])
            app.add_api_route(f"{model}/ready", self.model_ready, methods=["GET"])
            app.add_api_route(model, self.model_metadata, methods=["GET"])
        for path in ("/v2/health/live", "/v2/health/ready"):
            app.add_api_route(path, self.health, methods=["GET"])
        app.add_api_route("/v2", self.server_metadata, methods=["GET"])
        app.add_api_route(IMAGE_PATH, self.predict_image, methods=["POST"])
        if prometheus_path is not None:
            app.add_api_route(prometheus_path, self.metrics, methods=["GET"])
        for api in ("v1", "v2"):
            app.add_api_route(f"/{api}/{{rest:path}}", self.malformed, methods=_METHODS)
        app.add_exception_handler(ServingError, _answer_error)
        app.add_exception_handler(HTTPException, _answer_error)
        app.add_exception_handler(ClientDisconnect, _answer_disconnected)
        app.add_exception_handler(Exception, _answer_internal_error)
        return app

    async def _computed(self, request: Request, compute: _Compute) -> Response:
        with self._served.metrics.predict_request("REST"):
            async with self._body(request) as body:
                model = self._find_model(request)
                encoding = request.headers.get("content-encoding", "identity")
                answer = await self._in_thread(lambda: self._answer(model, body, encoding, compute))
        return answer

    async def predict(self, request: Request) -> Response:
        return await self._computed(request, self._predict)

    async def infer(self, request: Request) -> Response:
        json_size = request.headers.get(_BINARY_HEADER)
        return await self._computed(request, lambda model, text: self._infer(model, text, json_size))

    async def predict_image(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        return await self._computed(request, lambda model, body: self._predict_image(model, body, content_type))

    async def unimplemented(self, request: Request) -> Response:
        raise ServingError(Code.UNIMPLEMENTED, f"The embedded server answers :predict only, not {request.url.path}")

    async def metadata(self, request: Request) -> Response:
        model = self._find_model(request)
        return _json(
            b'{"model_spec": %b, "metadata": {"signature_def": %b%b}}'
            % (_message_json(model_spec(model)), _message_json(signature_def_map(model)), _computation(model))
        )

    async def status(self, request: Request) -> Response:
        parameters = request.path_params
        if parameters.get("label"):
            self._find_model(request)
        if ":" in parameters["name"]:
            return await self.malformed(request)
        return _json(_message_json(self._served.status(parameters["name"], parameters.get("version"))))

    async def health(self) -> Response:
        """Both of the Open Inference Protocol: the server answers only after loading and warm-up."""
        return _json(b"{}")

    async def model_ready(self, request: Request) -> Response:
        return _json(orjson.dumps({"name": self._find_model(request).name, "ready": True}))

    async def server_metadata(self) -> Response:
        return _json(orjson.dumps(server_metadata()))

    async def model_metadata(self, request: Request) -> Response:
        return _json(orjson.dumps(model_metadata(self._find_model(request))))

    async def metrics(self) -> Response:
        return Response(self._served.metrics.page(), media_type="text/plain")

    async def malformed(self, request: Request) -> Response:
        """Any other request below `/v1/` or `/v2/`."""
        raise invalid_argument(f"Malformed request: {request.method} {request.url.path}")

    def _find_model(self, request: Request) -> SavedModel:
        """The one that the path names; the one that is served where a path has no model."""
        parameters = request.path_params
        if "name" not in parameters:
            return self._served.model
        return self._served.find(parameters["name"], parameters.get("version"), parameters.get("label"))

    def _answer(self, model: SavedModel, body: bytearray, encoding: str, compute: _Compute) -> Response:
        if encoding not in {"gzip", "identity"}:
            raise invalid_argument(f"Content-Encoding '{encoding}' is neither gzip nor identity")
        zipped = encoding == "gzip"
        # How large a zipped body is shows only when it is unzipped.
        with self._one_at_a_time if zipped or len(body) > _ALONE_BYTES else nullcontext():
            if self._trims:  # what the one before took, which each thread would keep
                trim()
            text = self._unzipped(body) if zipped else bytes(body)
            self._trims = len(text) > _TRIM_BYTES
            body.clear()
            answer = compute(model, text)
            del text
        return answer()

    def _predict(self, model: SavedModel, text: bytes) -> Callable[[], Response]:
        """Decodes the request; what is returned computes the answer."""
        request = decode(text, lambda name: find_signature(model, name))
        return lambda: _json(encode(self._served.predict(request.signature, request.inputs), row=request.row))

    def _infer(self, model: SavedModel, text: bytes, json_size: str | None) -> Callable[[], Response]:
        """The same of the Open Inference Protocol."""
        request = decode_infer(text, json_size, lambda name: find_signature(model, name))

        def answer() -> Response:
            outputs = self._served.predict(request.signature, request.inputs, request.outputs)
            body, size = encode_infer(outputs, request, model_name=model.name, version=model.version)
            if size is None:
                return _json(body)
            return Response(body, media_type="application/octet-stream", headers={_BINARY_HEADER: str(size)})

        return answer

    def _predict_image(self, model: SavedModel, body: bytes, content_type: str) -> Callable[[], Response]:
        """The same of an image."""
        signature = find_signature(model, "")
        inputs = decode_image(uploaded(body, content_type), signature)
        return lambda: _json(encode(self._served.predict(signature, inputs), row=True))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError as error:
            raise ServingError(
                Code.DEADLINE_EXCEEDED, f"Timed out after {self._timeout_s:g} s (--rest_api_timeout_in_ms)"
            ) from error

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytearray]:
        """The body as it was sent. Raises 413 if it is too large, 503 if there is no memory for it."""
        body = bytearray()
        size, refusal = 0, None
        # A body without a length, in chunks, may become as large as any.
        expected = min(int(request.headers.get("content-length", self._max_body_bytes)), self._max_body_bytes)
        asked = self._memory.ask(expected, lose=body.clear)
        try:
            part = asked.result() if asked.done() else await asyncio.wrap_future(asked)
        except ServingError as error:
            part, refusal = None, error
        try:
            async for chunk in request.stream():
                size += len(chunk)
                # Read on without keeping the data: a client that is still sending would not read the answer.
                if size > 2 * self._max_body_bytes:
                    break
                if part is not None and size <= self._max_body_bytes:
                    body += chunk
                if part is None or part.is_lost or size > self._max_body_bytes:
                    body.clear()
            if size > self._max_body_bytes:
                raise self._too_large()
            if part is None or not part.arrived(size):
                raise refusal or too_slow()
            yield body
        finally:
            if part is not None:
                part.give_back()

    def _unzipped(self, body: bytearray) -> bytes:
        unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: a gzip header and trailer
        try:
            unzipped = unzip.decompress(body, self._max_body_bytes + 1)
        except zlib.error as error:
            raise invalid_argument(f"Content-Encoding is gzip, but the body is not valid gzip: {error}") from error
        if len(unzipped) > self._max_body_bytes:
            raise self._too_large()
        if not unzip.eof:
            raise invalid_argument("Content-Encoding is gzip, but the body ends too early")
        if unzip.unused_data:
            raise invalid_argument("Content-Encoding is gzip, but the body goes on after the end of its first member")
        return unzipped

    def _too_large(self) -> ServingError:
        return too_large(
            f"The body is larger than {self._max_body_bytes} bytes; send fewer instances per request, or start the "
            "server with a larger --rest_api_max_body_bytes"
        )


def _computation(model: SavedModel) -> bytes:
    """Of a converted model, which TensorFlow Serving has none of."""
    return b', "computation": %b' % orjson.dumps(model.computation) if model.computation else b""


def _message_json(message: Message) -> bytes:
    return MessageToJson(message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True).encode()


def _json(body: bytes, status: int = HTTPStatus.OK) -> Response:
    return Response(body, status, media_type="application/json")


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ServingError):
        response = _json(orjson.dumps({"error": error.message}), error.http_status)
        if error.http_status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            response.headers["connection"] = "close"
        if error.retry_after_s is not None:
            response.headers["retry-after"] = str(error.retry_after_s)
        return response
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    return _json(orjson.dumps({"error": f"{HTTPStatus(status).phrase}: {request.method} {request.url.path}"}), status)


async def _answer_disconnected(request: Request, error: Exception) -> Response:  # noqa: ARG001 - FastAPI passes both
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _answer_internal_error(request: Request, error: Exception) -> Response:
    # uvicorn logs the traceback.
    return _json(orjson.dumps({"error": f"Internal error at {request.url.path}: {error}"}), 500)
