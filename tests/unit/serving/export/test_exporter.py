import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from serving.export import exporter as exporting
from serving.export.exporter import tree_digest
from serving.export.resnet50 import SEED, network_with, random_value, write_saved_model
from serving.model.loaded_model import LoadedModel

CHECKOUT = Path(__file__).parents[4]


def write_small(version: Path) -> None:
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"graph")
    (version / "variables" / "data").write_bytes(b"numbers")


def test_the_digest_depends_on_file_names_and_contents_only(tmp_path):
    for name in ("a", "b"):
        write_small(tmp_path / name)
    assert tree_digest(tmp_path / "a") == tree_digest(tmp_path / "b")
    before = tree_digest(tmp_path / "a")
    (tmp_path / "a/variables/data").write_bytes(b"numberz")
    assert tree_digest(tmp_path / "a") != before
    (tmp_path / "b/variables/data").rename(tmp_path / "b/variables/date")
    assert tree_digest(tmp_path / "b") != before


def test_a_model_of_ones_own_is_served_from_where_it_is_under_its_name_and_digest(tmp_path):
    write_small(tmp_path / "mine")
    exported = exporting.own_model(tmp_path / "mine", "cats", tmp_path / "cache")
    base = Path(exported["path"])
    assert (base.name, exported["name"], exported["weights"]) == ("cats", "cats", "own")
    assert (base / "1/saved_model.pb").samefile(tmp_path / "mine/saved_model.pb")
    write_small(tmp_path / "copied/1")
    assert exported["digest"] == tree_digest(tmp_path / "copied"), "as if it had been copied"

    again = exporting.own_model(tmp_path / "mine", "cats", tmp_path / "cache")
    assert again == exported
    (tmp_path / "mine/variables/data").write_bytes(b"numberz")
    assert exporting.own_model(tmp_path / "mine", "cats", tmp_path / "cache")["digest"] != exported["digest"]


def test_an_interrupted_export_is_never_used(tmp_path):
    def interrupted(version):
        write_small(version)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exporting.cached_export("random", tmp_path, interrupted)
    assert not list(tmp_path.glob("*/export.json"))

    exported = exporting.cached_export("random", tmp_path, write_small)
    assert exported["digest"] == tree_digest(Path(exported["path"]))
    assert sorted(path.name for path in Path(exported["path"]).glob("1/*")) == ["saved_model.pb", "variables"]
    assert not list(tmp_path.glob(".*.unfinished"))


def test_simultaneous_exports_write_once(tmp_path):
    written = []

    def write(version):
        written.append(version)
        write_small(version)

    with ThreadPoolExecutor(6) as pool:
        exports = list(pool.map(lambda _: exporting.cached_export("random", tmp_path, write), range(6)))
    assert len(written) == 1
    assert all(exported == exports[0] for exported in exports)


def test_other_library_versions_make_another_export(tmp_path, monkeypatch):
    first = exporting.cached_export("random", tmp_path, write_small)
    monkeypatch.setattr(exporting, "version", lambda _: "another")
    assert exporting.cached_export("random", tmp_path, write_small)["path"] != first["path"]


def test_random_values_are_the_same_on_every_machine():
    kernel = random_value(np.random.default_rng(SEED), "conv1_conv/kernel", (7, 7, 3, 64))
    assert hashlib.sha256(kernel.tobytes()).hexdigest().startswith("1c3f8cf2e9a429ea")


def test_the_command_prints_the_export_as_one_json_line(tmp_path):
    exported = exporting.cached_export("random", tmp_path, write_small)
    command = [sys.executable, "-m", "serving.export", "--weights=random", f"--cache={tmp_path}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [exported]
    assert list(exported) == ["name", "path", "digest", "weights"]


def test_pretrained_weights_that_cannot_be_downloaded_are_one_error_with_its_fix(tmp_path):
    command = [sys.executable, "-m", "serving.export", "--weights=imagenet", f"--cache={tmp_path}"]
    offline = os.environ | {"https_proxy": "http://127.0.0.1:1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=offline)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert re.search(r"Keras could not load the pretrained weights: .*, so nothing was exported; set", ended.stderr)
    assert not list(tmp_path.glob("*/export.json"))


def test_random_resnet50_distinguishes_images_and_is_not_one_hot(tmp_path):
    write_saved_model(network_with("random"), tmp_path / "1")
    model = LoadedModel("resnet", 1, tmp_path / "1")
    images = np.random.default_rng(3).uniform(0, 255, (2, 224, 224, 3)).astype(np.float32)
    images[1] = 127
    answers = model.signature("serving_default").run({"image_input": images})["resnet50"]
    assert answers.shape == (2, 1000)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-4)
    assert (answers.max(axis=1) < 0.9).all()
    assert np.abs(answers[0] - answers[1]).max() > 1e-3
    assert model.warm_up(iterations=1) == 1


def test_an_export_ends_when_the_process_that_started_it_is_gone(tmp_path):
    """Another export holds the lock, so it would wait for ever."""
    code = (
        "import os, subprocess, sys; os.chdir(sys.argv[1]);"
        "export = subprocess.Popen([sys.executable, '-m', 'serving.export', '--weights', 'random',"
        " '--cache', sys.argv[2], '--parent', str(os.getpid())]);"
        "print(export.pid, flush=True); sys.stdin.read()"
    )

    def write(version):
        write_small(version)
        parent = subprocess.Popen(
            [sys.executable, "-c", code, str(CHECKOUT), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        export = psutil.Process(int(parent.stdout.readline()))
        time.sleep(2)
        assert export.status() != psutil.STATUS_ZOMBIE  # it ended, but its parent has not asked how
        parent.kill()
        parent.wait()
        parent.stdin.close()
        parent.stdout.close()
        _, left = psutil.wait_procs([export], timeout=10)
        for process in left:
            process.kill()
        assert left == []

    exporting.cached_export("random", tmp_path, write)
