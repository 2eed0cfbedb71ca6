"""Load-tests a service of this repository, and exports what that found."""

import pulumi
import pulumi_shapebench as shapebench

config = pulumi.Config()

# Here your program would deploy the service; service.py of this folder runs beside it.
url = config.get("url") or "http://127.0.0.1:9000"

test = shapebench.LoadTest(
    "scorer",
    service="scorer",
    url=url,
    protocol="v2-rest",
    model={"name": "scorer"},
    # What the service's machines are priced as.
    shape={"machine_type": "e2-standard-2", "nodes": 1},
    load={"profile": "capacity", "durationS": 60, "highestRps": 5000}
    if config.get_bool("search")
    else {"profile": "smoke"},
    objective={"p99": "100ms", "errors": "0.1%"},
    # Any text; a new one, such as the digest of the service's image, measures again.
    rerun=config.get("rerun") or "",
    start_timeout_s=config.get_float("startTimeoutS") or 180.0,
)

pulumi.export("runId", test.run_id)
pulumi.export("summary", test.summary)
pulumi.export("headline", test.headline)
