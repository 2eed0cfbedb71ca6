"""A small service that speaks the Open Inference Protocol: `python service.py`, with Python alone."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FEATURES = 8
MODEL = {
    "name": "scorer",
    "versions": ["1"],
    "platform": "python",
    "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, FEATURES]}],
    "outputs": [{"name": "score", "datatype": "FP32", "shape": [-1, 1]}],
}
SERVER = {"name": "scorer-service", "version": "1.0", "extensions": []}


class Handler(BaseHTTPRequestHandler):
    """Answers what a client of the protocol asks."""

    protocol_version = "HTTP/1.1"
    # Small answers are sent at once.
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_GET(self) -> None:
        found = {"/v2": SERVER, "/v2/models/scorer": MODEL, "/v2/models/scorer/ready": {}}.get(self.path)
        self.answer(200 if found is not None else 404, {"error": "not found"} if found is None else found)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        [features] = body["inputs"]
        values, rows = features["data"], features["shape"][0]
        scores = [sum(values[row * FEATURES : (row + 1) * FEATURES]) / FEATURES for row in range(rows)]
        output = {"name": "score", "datatype": "FP32", "shape": [rows, 1], "data": scores}
        self.answer(200, {"model_name": "scorer", "outputs": [output]})

    def answer(self, status: int, document: object) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """A line for each request of a load test would take longer than the request."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Handler).serve_forever()
