"""The life of a local stack whose model is in a bucket. Each test goes on where the last one stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from loadtest.run.remote_model import _listing, remote_model
from serving.export.exporter import tree_digest
from serving.model_access import ChangedModelError, read_model
from tests.engine.harness import SMOKE, Stack
from tests.support.model_bucket import ModelBucket, serving_bucket
from tests.support.object_store.refusing_proxy import RefusingProxy, refusing_proxy
from tests.support.object_store.serve import BUCKET

DOWNLOAD = "?alt=media"


def save(folder: Path, answer: float) -> None:
    module = tf.Module()
    module.answer = tf.Variable([answer, 0.0])
    pixels = tf.TensorSpec((None, 4), tf.float32, "pixels")
    signature = tf.function(lambda pixels: {"sum": tf.reduce_sum(pixels) + module.answer}, input_signature=[pixels])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})


@pytest.fixture(scope="module")
def served() -> Iterator[RefusingProxy]:
    with refusing_proxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, served: RefusingProxy) -> Path:
    """The folder whose files are in the bucket, as version 3 of a model."""
    folder = tmp_path_factory.mktemp("models") / "3"
    save(folder, 0.25)
    served.store.put_model(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def uri(served: RefusingProxy, stack: Stack) -> str:
    stack.config["model"] = {"path": served.uri("models/cats")}
    stack.config["load"] = SMOKE | {"users": 1}
    return served.uri("models/cats")


def downloads(served: RefusingProxy) -> list[str]:
    """The names of the files that were read since the last call."""
    read = [line.rpartition("%2F")[2].removesuffix(DOWNLOAD) for line in served.requests if line.endswith(DOWNLOAD)]
    served.requests.clear()
    return sorted(read)


def refused(stack: Stack) -> str:
    failed = stack.run("preview")
    assert failed.returncode != 0
    assert "Traceback" not in failed.stdout + failed.stderr
    return failed.stdout


def test_a_bucket_that_refuses_ends_the_preview(stack: Stack, uri: str, served: RefusingProxy, model: Path):
    served.refuse = lambda _method, _path: 403
    said = refused(stack)
    assert (
        f"shapebench:model.path is '{uri}', which cannot be read: tester@acme.iam.gserviceaccount.com does not" in said
    )
    assert "role Storage Object Viewer" in said
    served.refuse = lambda _method, _path: None


def test_a_bucket_and_a_folder_that_do_not_exist_end_the_preview(stack: Stack, uri: str):
    for wrong in (uri.replace("@bucket/", "@no-such-bucket/"), uri.replace("/cats", "/dogs")):
        stack.config["model"] = {"path": wrong}
        said = refused(stack)
        assert f"shapebench:model.path is '{wrong}', which cannot be read: N" in said
        assert "give a folder that exists" in said
    stack.config["model"] = {"path": uri}


def test_a_preview_copies_the_graph_alone_and_only_once(stack: Stack, served: RefusingProxy):
    downloads(served)
    stack.must("preview")
    assert downloads(served) == ["saved_model.pb"]
    stack.must("preview")
    assert downloads(served) == []


def test_the_update_copies_the_rest_and_measures_the_model(stack: Stack, served: RefusingProxy, model: Path):
    stack.must_up()
    (run,) = stack.runs()
    assert run.validity.reasons == ()
    assert (run.serving.model.name, run.serving.model.weights) == ("cats", "own")
    assert run.serving.model.digest == tree_digest(model, "1/")
    assert downloads(served) == ["fingerprint.pb", "variables.data-00000-of-00001", "variables.index"]


def test_the_same_model_is_neither_copied_nor_measured_again(stack: Stack, served: RefusingProxy):
    stack.must("preview", "--expect-no-changes")
    stack.must_up()
    assert downloads(served) == []
    assert len(stack.runs()) == 1


def test_a_changed_model_is_copied_and_measured_again(stack: Stack, served: RefusingProxy, model: Path):
    save(model, 0.75)
    served.store.put_model(model)
    stack.must_up()
    before, run = stack.runs()
    assert run.serving.model.digest == tree_digest(model, "1/") != before.serving.model.digest
    assert len(downloads(served)) == 4


def test_a_pod_compares_the_bucket_with_what_a_preview_lists(served: RefusingProxy, uri: str, model: Path):
    """By the sizes and times of Arrow and of the JSON API: on GKE, servers read such a model in place."""
    _listing.cache_clear()
    listed = remote_model(uri).objects
    with serving_bucket(ModelBucket()) as metadata_url:
        read_model(metadata_url, served.store.url, f"gs://{BUCKET}/models/cats", listed)
        served.store.put_model(model)
        with pytest.raises(ChangedModelError, match=r"^3/.* was changed$"):
            read_model(metadata_url, served.store.url, f"gs://{BUCKET}/models/cats", listed)
