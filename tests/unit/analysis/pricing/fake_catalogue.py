"""A small catalogue that answers over HTTP in the shape of Google's, so that the real client can be asked through it.

https://docs.cloud.google.com/billing/docs/reference/rest/v1/services.skus/list
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google.auth.credentials import AnonymousCredentials
from google.cloud.billing_v1.services.cloud_catalog.transports.rest import CloudCatalogRestTransport

Json = dict[str, Any]

COMPUTE, CLUSTERS, NETWORK, STORAGE = "Compute Engine", "Kubernetes Engine", "Networking", "Cloud Storage"
AMERICAS = ("us-central1", "us-east1", "us-west1")
# More than one page of each list, so that a reader who takes only the first is found out.
_PAGE = 7


def sku(
    description: str,
    usd: float,
    unit: str = "h",
    usage_type: str = "OnDemand",
    regions: tuple[str, ...] = AMERICAS,
    **changes: Any,
) -> Json:
    """One entry as the API gives it."""
    return {
        "name": f"services/x/skus/{abs(hash(description)):X}",
        "skuId": f"{sum(map(ord, description)):04X}-{len(description):04X}",
        "description": description,
        "category": {"usageType": usage_type, "resourceFamily": "Compute", "resourceGroup": "any"},
        "serviceRegions": list(regions),
        "pricingInfo": [
            {
                "effectiveTime": "2026-11-01T07:00:00Z",
                "pricingExpression": {"usageUnit": unit, "tieredRates": [rate(usd)]},
            }
        ],
    } | changes


def rate(usd: float, start: float = 0, currency: str = "USD") -> Json:
    """One tier of a price."""
    nanos = round(usd * 1e9)
    money = {"currencyCode": currency, "units": str(nanos // 10**9), "nanos": nanos % 10**9}
    return {"startUsageAmount": start, "unitPrice": money}


def priced_at(*rates: Json, unit: str) -> list[Json]:
    """A `pricingInfo` of several tiers."""
    return [
        {"effectiveTime": "2026-11-01T07:00:00Z", "pricingExpression": {"usageUnit": unit, "tieredRates": list(rates)}}
    ]


def listed() -> dict[str, list[Json]]:
    """What the catalogue lists: the prices of the reference, and entries whose words are nearly the same."""
    core, memory = 0.02181159, 0.00292353
    return {
        COMPUTE: [
            sku("E2 Instance Core running in Americas", core),
            sku("E2 Instance Ram running in Americas", memory, "GiBy.h"),
            sku("E2 Custom Instance Core running in Americas", core * 1.05),
            sku("E2 Custom Instance Ram running in Americas", memory * 1.05, "GiBy.h"),
            sku("E2 Instance Core in Montreal", core * 1.1, regions=("northamerica-northeast1",)),
            sku("E2 Instance RAM in Montreal", memory * 1.1, "GiBy.h", regions=("northamerica-northeast1",)),
            sku("Spot Preemptible E2 Instance Core running in Americas", core / 3, usage_type="Preemptible"),
            sku("Spot Preemptible E2 Instance Ram running in Americas", memory / 3, "GiBy.h", "Preemptible"),
            sku("Spot Preemptible E2 Custom Instance Core running in Americas", core * 0.35, "h", "Preemptible"),
            sku("Spot Preemptible E2 Custom Instance Ram running in Americas", memory * 0.35, "GiBy.h", "Preemptible"),
            sku("Commitment v1: E2 Cpu in Americas for 1 Year", core * 0.63, "h", "Commit1Yr"),
            sku("Commitment v1: E2 Ram in Americas for 1 Year", memory * 0.63, "GiBy.h", "Commit1Yr"),
            sku("Commitment v1: E2 Cpu in Americas for 3 Year", core * 0.45, "h", "Commit3Yr"),
            sku("Commitment v1: E2 Ram in Americas for 3 Year", memory * 0.45, "GiBy.h", "Commit3Yr"),
            sku(
                "Committed Use Discount Premium for E2 Custom Instance Core running in Americas",
                core * 0.05,
                usage_type="CmtCudPremium",
            ),
            sku(
                "Committed Use Discount Premium for E2 Custom Instance Ram running in Americas",
                memory * 0.05,
                "GiBy.h",
                "CmtCudPremium",
            ),
            sku("Sole Tenancy Premium for E2 Instance Core running in Americas", core / 10),
            sku("Balanced PD Capacity", 0.1, "GiBy.mo"),
            sku("Regional Balanced PD Capacity", 0.2, "GiBy.mo"),
            sku("Balanced PD Capacity in Montreal", 0.11, "GiBy.mo", regions=("northamerica-northeast1",)),
        ],
        CLUSTERS: [
            sku("Zonal Kubernetes Clusters", 0.1, regions=("global",)),
            sku("Regional Kubernetes Clusters", 0.1, regions=("global",)),
        ],
        NETWORK: [
            sku("Networking Cloud Nat Gateway Uptime", 0.0014, regions=("global",)),
            sku("Networking Cloud NAT IP Usage", 0.005, regions=("global",)),
            sku("Networking Cloud Nat Data Processing", 0.045, "GiBy", regions=("global",)),
            sku("Networking Private Nat Gateway Uptime", 0.045, regions=("global",)),
        ],
        STORAGE: [
            sku(
                "Standard Storage US Regional",
                0.02,
                "GiBy.mo",
                # The first five GB are free, which is no price.
                pricingInfo=priced_at(rate(0), rate(0.02, start=5), unit="GiBy.mo"),
            ),
            sku("Standard Storage US Multi-region", 0.026, "GiBy.mo", regions=("us", *AMERICAS)),
            sku("Standard Storage Iowa/Oregon Dual-region", 0.044, "GiBy.mo"),
        ],
    }


class FakeCatalogue:
    """What it lists can be changed, and so can what it answers next instead: HTTP codes, used up one by one."""

    def __init__(self) -> None:
        self.listed = listed()
        self.answers_first: list[int] = []
        self.asked: list[str] = []

    def answer(self, target: str) -> tuple[int, Json | None]:
        url = urlsplit(target)
        self.asked.append(url.path)
        if self.answers_first:
            return self.answers_first.pop(0), None
        names = list(self.listed)
        if url.path == "/v1/services":
            entries = [
                {"name": f"services/{index}", "serviceId": str(index), "displayName": name}
                for index, name in enumerate(["Another Service", *names])
            ]
            return 200, _page("services", entries, url.query)
        index = int(url.path.split("/")[3])
        return 200, _page("skus", self.listed[names[index - 1]], url.query)

    def without(self, description: str) -> None:
        """Take an entry off the list."""
        for entries in self.listed.values():
            entries[:] = [entry for entry in entries if entry["description"] != description]


def _page(key: str, entries: list[Json], query: str) -> Json:
    begin = int(parse_qs(query).get("pageToken", ["0"])[0])
    end = begin + _PAGE
    return {key: entries[begin:end]} | ({"nextPageToken": str(end)} if end < len(entries) else {})


@contextmanager
def serving(catalogue: FakeCatalogue) -> Iterator[CloudCatalogRestTransport]:
    """The real client's transport to the fake, on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        # Head and body in one packet: two would wait for each other.
        wbufsize = -1

        def do_GET(self) -> None:
            code, document = catalogue.answer(self.path)
            body = json.dumps(document or {"error": {"code": code, "message": f"made to answer {code}"}}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield CloudCatalogRestTransport(
            host=f"127.0.0.1:{server.server_port}", credentials=AnonymousCredentials(), url_scheme="http"
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
