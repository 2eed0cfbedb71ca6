"""Measures the three models of tests.support.example_models on a stack of any platform."""

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis.results.schema.manifest import Manifest
from serving.export.exporter import OWN, Exported, tree_digest
from stacks.server.models import VERSION
from tests.engine.harness import CHECKOUT, Stack


class ExampleModel(NamedTuple):
    """What a stack is told of a model, and what its runs say of its requests.

    `recorded` is the file with `count` recorded requests; `generated` begins the description of generated ones, for
    which `settings` of `shapebench:model` are needed.
    """

    recorded: str
    count: int
    generated: str
    settings: dict[str, Any]


MODELS = {
    "text": ExampleModel("text.jsonl", 3, "serving_default text string [1] of sentences", {}),
    "table": ExampleModel("table.npz", 50, "serving_default age float32 [1, 1] from 0 to 1; ", {}),
    "recommender": ExampleModel(
        "recommender.jsonl",
        3,
        "serving_default items int64 [1, 50] from 0 to 1299999; ",
        {"shapes": {"items": [50]}, "ranges": {"items": [0, 1_299_999], "user": [0, 1_299_999]}},
    ),
}


class Case(NamedTuple):
    """A model, a protocol, and which requests are sent, `generated` or `recorded`."""

    model: str
    protocol: str
    sent: str


# Half of the product, because each case is an update of half a minute: every two of a model, a protocol and a kind of
# requests are together in one. Cases of a model follow each other, so that they share a server.
PAIRWISE = [
    Case("recommender", "rest", "recorded"),
    Case("recommender", "grpc", "generated"),
    Case("table", "rest", "generated"),
    Case("table", "grpc", "recorded"),
    Case("text", "rest", "recorded"),
    Case("text", "grpc", "generated"),
]


def save_models(folder: Path) -> Path:
    """Save the models, in a process of its own, because that imports TensorFlow; returns the folder."""
    subprocess.run([sys.executable, "-m", "tests.support.example_models", folder], cwd=CHECKOUT, check=True)
    return folder


def exports(models: Path) -> list[Exported]:
    """The same models as a stack exports them."""
    digests = {name: tree_digest(models / name / VERSION, f"{VERSION}/") for name in MODELS}
    return [Exported(name=name, path=str(models / name), digest=digests[name], weights=OWN) for name in MODELS]


def measured(stack: Stack, models: Path, case: Case) -> tuple[Manifest, pd.DataFrame]:
    """The valid run of this case that an update makes, and its rows."""
    model, is_recorded = MODELS[case.model], case.sent == "recorded"
    stack.config["model"] = {"path": str(models / case.model)} | ({} if is_recorded else model.settings)
    stack.config["payload"] = {"path": str(models / model.recorded)} if is_recorded else {"check": "values"}
    stack.config["serving"] = stack.config["serving"] | {"protocol": case.protocol}
    before = len(stack.runs())
    stack.must_up()
    *earlier, run = stack.runs()
    assert len(earlier) == before
    assert run.validity.reasons == ()
    assert (run.serving.model.name, run.serving.protocol) == (case.model, case.protocol)
    requests = f"serving_default, {model.count} recorded requests, " if is_recorded else model.generated
    assert run.serving.model.requests
    assert run.serving.model.requests.startswith(requests)
    rows = rows_of(stack, run)
    if not is_recorded:
        assert rows["request_bytes"].nunique() == 1
    elif case.model != "table":
        assert rows["request_bytes"].nunique() == model.count
    return run, rows


def rows_of(stack: Stack, run: Manifest) -> pd.DataFrame:
    """All rows of a run."""
    (folder,) = stack.results.glob(f"requests/stack=*/run_id={run.run_id}")
    return pd.read_parquet(folder)
