"""Runs as a contributor has them: with names of nodes, pods, images and projects in every field that may have one."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from analysis.results.schema.manifest import Computation, Key, Machine, Manifest, Repeat, Replica
from analysis.results.schema.other_cpu import OtherCpu
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.stores.synthetic import STARTED_AT, make_search

LEAK = "leak-9f3a"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CPUS = ("Intel(R) Xeon(R) CPU @ 2.20GHz", "AMD EPYC 7B12")
_REQUESTS = 3_200


def run_id(number: int) -> str:
    return f"01KAAAAAAA{number:016}"


def searched(number: int, capacity_rps: float = 60, **changes: Any) -> tuple[Manifest, pa.Table]:
    """A capacity search on two named nodes, those of its cluster: runs with the same `cluster` share them."""
    cluster = changes.pop("cluster", "acme")
    replicas = tuple(
        Replica(
            name=f"serving-{cluster}-{each}",
            node=f"gke-{cluster}-pool-{each}",
            machine=f"{cluster}{each}",
            cpu_vendor="GenuineIntel",
            cpu_model=CPUS[(each + len(cluster)) % 2],
            cpu_signature="6/79/0",
            cpu_flags=("avx2",),
            kernel="6.6.72+",
        )
        for each in range(2)
    )
    given = {
        "run_id": run_id(number),
        "deployment": f"d{number:011x}",
        "replicas": replicas,
        "other_cpu": OtherCpu(node=f"gke-{cluster}-pool-0", cores=0.1, machine_cores=8, usable_cores=8),
    }
    manifest, rows = make_search(capacity_rps, number, _REQUESTS, **(given | changes))
    generator = manifest.generator.model_copy(
        update={"nodes": (f"gke-{cluster}-load",), "machine": Machine(node=f"gke-{cluster}-load")}
    )
    backends = [f"10.8.0.{at % 2}:8500" for at in range(rows.num_rows)]
    return manifest.model_copy(update={"generator": generator, "seed": 100 + number}), column(rows, "backend", backends)


def column(rows: pa.Table, name: str, values: list[Any]) -> pa.Table:
    field = rows.schema.field(name)
    return rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))


def samples(*subjects: str, quantity: str = "cpu_cores") -> pa.Table:
    return pa.Table.from_pylist(
        [{"at": STARTED_AT, "subject": subject, "quantity": quantity, "value": 1.0} for subject in subjects],
        schema=SAMPLES_SCHEMA,
    )


def whole(number: int) -> Manifest:
    """A run with every field that a manifest may have."""
    manifest, _ = searched(
        number,
        key=Key(rerun="again", sweep="a sweep", candidate="a candidate"),
        repeat=Repeat(group=run_id(number), index=1, of=2),
        software={"python": "3.12.9", "linux": "6.6.72+", "generator image": "locustio/locust:2.46.6"},
    )
    serving, cost = manifest.serving, manifest.cost
    item = cost.line_items[0].model_copy(update={"reason": "none", "source": "a page", "sku_id": "0000-0000"})
    assert manifest.capacity
    return manifest.model_copy(
        update={
            "serving": serving.model_copy(
                update={
                    "server_args": ("--model=here",),
                    "model": serving.model.model_copy(update={"weights": "own", "requests": "a request"}),
                    "computation": Computation(precision="float32", largest_difference=0.0),
                }
            ),
            "cost": cost.model_copy(update={"line_items": (item, *cost.line_items[1:])}),
            "capacity": manifest.capacity.model_copy(update={"imprecise_because": "it ended"}),
        }
    )


def planted(manifest: Manifest, public: frozenset[str]) -> tuple[Manifest, set[str]]:
    """The run with LEAK in each text whose key is not in `public` and that the schema lets be any text; and these keys.

    A key has dots between its parts and no places in lists.
    """
    content = json.loads(manifest.model_dump_json())
    content["software"] |= {f"{LEAK}-key": f"{LEAK}-version"}
    keys = set()
    for holder, at, key in list(_texts(content)):
        before = holder[at]
        if key in public:
            continue
        holder[at] = f"{LEAK}-{len(keys)}"
        try:
            Manifest.model_validate_json(json.dumps(content))
            keys.add(key)
        except ValidationError:
            holder[at] = before
    return Manifest.model_validate_json(json.dumps(content)), keys


def planted_rows(rows: pa.Table) -> pa.Table:
    """The rows, and one more with LEAK in every column of texts, which is of no phase that counts."""
    texts = {field.name: f"{LEAK}-{field.name}" for field in REQUESTS_SCHEMA if field.type == pa.string()}
    row = rows.slice(rows.num_rows - 1).to_pylist()[0] | texts | {"ok": False}
    return pa.concat_tables([rows, pa.Table.from_pylist([row], schema=REQUESTS_SCHEMA)])


def _texts(content: Any, key: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Each text with what holds it, its place there, and its key."""
    if isinstance(content, (dict, list)):
        for at, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
            below = key if isinstance(content, list) else f"{key}.{at}".lstrip(".")
            if isinstance(value, str):
                yield content, at, below
            else:
                yield from _texts(value, below)
