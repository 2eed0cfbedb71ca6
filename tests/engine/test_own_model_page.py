"""The first commands of docs/models.md, typed from the page into a copy of the checkout with a SavedModel in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from bench.servers.processes import free_port
from tests.support.copied_checkout import copy_checkout, shell_in, type_line
from tools.first_hour import Shell, lines_of

PAGE = "docs/models.md"


def save(folder: Path) -> None:
    """Token ids of any length, and some 10 ms of work for an answer, so that a search ends below the highest rate."""
    module = tf.Module()
    module.weights = tf.Variable(tf.random.stateless_normal((1024, 1024), (1, 2), stddev=0.03))

    def score(ids: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = tf.gather(module.weights, ids)
        for _ in range(4):
            hidden = tf.tanh(tf.matmul(hidden, module.weights))
        return {"score": tf.reduce_mean(hidden, (1, 2))}

    signature = tf.function(score, input_signature=[tf.TensorSpec((None, None), tf.int32, "ids")])
    tf.saved_model.save(module, str(folder), signatures=signature)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = copy_checkout(tmp_path / "checkout")
    save(folder / "models/sentences")
    return folder


@pytest.fixture
def shell(checkout: Path, tmp_path: Path) -> Iterator[Shell]:
    with shell_in(checkout, tmp_path / "home") as shell:
        yield shell
        shell.type("pulumi destroy --stack sentences")


def newest_run(checkout: Path) -> Manifest:
    return max(ResultsStore(str(checkout / "results")).scan().manifests, key=lambda run: run.run_id)


def test_its_three_commands_lead_from_a_model_to_its_capacity(checkout: Path, shell: Shell) -> None:
    init, up, verdict = lines_of(PAGE, (checkout / PAGE).read_text())
    type_line(shell, init)
    for port in ("restPort", "grpcPort"):  # as other tests may have those of the page
        set_port = f"pulumi config set --path shapebench:local.{port} {free_port()} --stack sentences"
        assert shell.type(set_port).status == 0
    if shell.type(up.command).status:
        # On a machine whose speed other tests change, 120 s may not be enough: do what the error says, once.
        (refused,) = newest_run(checkout).validity.reasons
        assert "give a longer durationS" in refused
        assert shell.type("pulumi config set --path shapebench:load.durationS 360 --stack sentences").status == 0
        type_line(shell, up)
    type_line(shell, verdict)
    run = newest_run(checkout)
    assert (run.stack, run.serving.model.name, run.validity.reasons) == ("sentences", "sentences", ())
    assert run.capacity
    assert run.capacity.rps
