"""Runs Prometheus until the end of a block, and asks it."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.servers import processes as servers
from tests.support.go_programs import PROMETHEUS
from tools.pins import ROOT


@dataclass(frozen=True)
class Prometheus:
    """A server with the HTTP API of https://prometheus.io/docs/prometheus/latest/querying/api/."""

    url: str

    @property
    def otlp(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is for it: https://prometheus.io/docs/guides/opentelemetry/."""
        return f"{self.url}/api/v1/otlp"

    def ask(self, query: str) -> list[dict[str, Any]]:
        """What a query gives at this moment: each series' labels and its last value."""
        return self._data(f"query?{urlencode({'query': query})}")["result"]

    def value(self, query: str) -> float:
        """The last value of a query that gives one series."""
        [series] = self.ask(query)
        return float(series["value"][1])

    def history(self, query: str, since_s: float) -> list[dict[str, Any]]:
        """Each series of the last seconds, with a value a second."""
        now = time.time()
        parameters = {"query": query, "start": now - since_s, "end": now, "step": 1}
        return self._data(f"query_range?{urlencode(parameters)}")["result"]

    def _data(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """Run a server that keeps what it gets in a folder, and scrapes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text("{}\n")
    port = servers.free_port()
    command = [
        str(PROMETHEUS.file(ROOT)),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-otlp-receiver",
        "--log.level=warn",
    ]
    url = f"http://127.0.0.1:{port}"
    with servers.ready(command, f"{url}/-/ready", "prometheus.log"):
        yield Prometheus(url)
