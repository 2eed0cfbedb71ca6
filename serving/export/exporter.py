"""Exports the model to a cache, unless it is there already.

`python -m serving.export --weights auto|imagenet|random --cache DIR` prints one JSON line on standard output:
`{"name": "resnet", "path": "<cache>/<key>/resnet", "digest": "<sha256>", "weights": "random"}`. With `--model DIR` and
`--name NAME` it does so for the SavedModel in DIR, which has weights of its `own`.
"""

import argparse
import fcntl
import hashlib
import http.client
import json
import os
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal, TypedDict, get_args

from stacks.server.models import RESNET50, VERSION

Weights = Literal["imagenet", "random"]
OWN: Final = "own"

DEFAULT_CACHE = Path(".cache/models")
# Raise it when the export changes without a new version of Keras or TensorFlow.
_EXPORT_VERSION = 1
_IMAGENET_WEIGHTS_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5"
)
_PROBE_TIMEOUT_S = 4
_PARENT_CHECK_S = 0.5
_RECORD_FILE = "export.json"
_BLOCK_BYTES = 1 << 20


class Exported(TypedDict):
    """An exported model. `digest` is sha256 over the files below `path`."""

    name: str
    path: str
    digest: str
    weights: Weights | Literal["own"]


class WeightsUnavailableError(RuntimeError):
    """The pretrained weights are required and cannot be downloaded."""


def export(weights: Literal["auto", "imagenet", "random"], cache: Path) -> Exported:
    """Export the model, or return the export in the cache.

    Raises WeightsUnavailableError if `weights` is `imagenet` and Keras cannot download them.
    """
    if weights != "auto":
        return cached_export(weights, cache, partial(_write, weights, cache))
    if (cached := _read_record(cache, "imagenet")) is not None:
        return cached
    if not _can_download():
        _print_status(f"the pretrained weights cannot be downloaded ({_IMAGENET_WEIGHTS_URL}); using random ones")
        return export("random", cache)
    try:
        return export("imagenet", cache)
    except WeightsUnavailableError as error:
        _print_status(f"{error}; using random ones")
        return export("random", cache)


def own_model(folder: Path, name: str, cache: Path) -> Exported:
    """The SavedModel in `folder` as a version of the model `name`; its files stay where they are."""
    digest = tree_digest(folder, f"{VERSION}/")
    base = cache.absolute() / f"{OWN}-{digest[:12]}" / name
    base.mkdir(parents=True, exist_ok=True)
    link = base / f".{VERSION}.new"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.absolute(), target_is_directory=True)
    # Whoever reads it meanwhile sees the one or the other, and both have this digest.
    link.rename(base / VERSION)
    return Exported(name=name, path=str(base), digest=digest, weights=OWN)


def tree_digest(folder: Path, prefix: str = "") -> str:
    """sha256 over the relative names, after `prefix`, and the contents of all files below `folder`, sorted by name."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = (prefix + file.relative_to(folder).as_posix()).encode()
        # Lengths are hashed too, so that no other names and contents join to the same bytes.
        digest.update(len(name).to_bytes(8, "big") + name + file.stat().st_size.to_bytes(8, "big"))
        with file.open("rb") as content:
            while block := content.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def cached_export(weights: Weights, cache: Path, write: Callable[[Path], None]) -> Exported:
    """The export in the cache. If there is none, `write` writes the model to the version folder it is given.

    Safe against interruption and against other processes that export to the same cache.
    """
    if (cached := _read_record(cache, weights)) is not None:
        return cached
    key = _key(weights)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{key}.lock").open("w") as lock:
        # The kernel releases it when the process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (cached := _read_record(cache, weights)) is not None:
            return cached
        # Only the holder of the lock writes here, so an existing folder is from an interrupted export.
        unfinished = cache / f".{key}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        model = unfinished / RESNET50.name
        _print_status(f"exporting {RESNET50.title} with {weights} weights to {cache / key}")
        write(model / VERSION)
        record = {"digest": tree_digest(model), "weights": weights}
        (unfinished / _RECORD_FILE).write_text(json.dumps(record) + "\n")
        unfinished.rename(cache / key)
    exported = _read_record(cache, weights)
    if exported is None:
        raise RuntimeError(f"{cache / key} was deleted during the export, so there is no model; export it again")
    return exported


def _write(weights: Weights, cache: Path, version_folder: Path) -> None:
    # TensorFlow takes seconds to import, and a cached export does not need it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # By default Keras downloads to the home directory.
    os.environ.setdefault("KERAS_HOME", str(cache.absolute() / "keras"))
    from serving.export.resnet50 import network_with, write_saved_model  # noqa: PLC0415 - imports TensorFlow

    try:
        network = network_with(weights)
    except Exception as error:
        # Where a download fails, Keras raises a plain Exception: keras/src/utils/file_utils.py.
        if weights == "imagenet":
            raise WeightsUnavailableError(f"Keras could not load the pretrained weights: {error}") from error
        raise
    write_saved_model(network, version_folder)


def _key(weights: Weights) -> str:
    versions = f"recipe {_EXPORT_VERSION}, keras {version('keras')}, tensorflow {version('tensorflow')}"
    return f"resnet50-{weights}-{hashlib.sha256(versions.encode()).hexdigest()[:12]}"


def _read_record(cache: Path, weights: Weights) -> Exported | None:
    folder = cache / _key(weights)
    try:
        record = json.loads((folder / _RECORD_FILE).read_text())
    except FileNotFoundError:
        return None
    path = str((folder / RESNET50.name).absolute())
    return Exported(name=RESNET50.name, path=path, digest=record["digest"], weights=weights)


def _can_download() -> bool:
    """Whether the weights can be reached in time. In a thread, because a DNS lookup has no timeout."""
    reached = threading.Event()

    def probe() -> None:
        request = urllib.request.Request(_IMAGENET_WEIGHTS_URL, method="HEAD")
        with (
            suppress(OSError, http.client.HTTPException),
            urllib.request.urlopen(request, timeout=_PROBE_TIMEOUT_S),  # noqa: S310 - a constant https address
        ):
            reached.set()

    prober = threading.Thread(target=probe, daemon=True)
    prober.start()
    prober.join(_PROBE_TIMEOUT_S)
    return reached.is_set()


def _print_status(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _end_with(parent: int) -> None:
    """End this process when its parent is not, or no longer, the process `parent`: nobody reads the export then."""

    def check() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=check, daemon=True).start()


def main() -> int:
    """Parse the command line, export, print the JSON line."""
    parser = argparse.ArgumentParser(prog="python -m serving.export", description=__doc__)
    parser.add_argument("--weights", choices=("auto", *get_args(Weights)), default="auto")
    parser.add_argument("--model", type=Path, metavar="DIR", help="a SavedModel that is there, in place of ResNet50")
    parser.add_argument("--name", default=RESNET50.name, help="what --model is served under")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--parent", type=int, metavar="PID", help="end with this process, which started the export")
    arguments = parser.parse_args()
    if arguments.parent is not None:
        _end_with(arguments.parent)
    if arguments.model is not None:
        print(json.dumps(own_model(arguments.model, arguments.name, arguments.cache)))
        return 0
    try:
        exported = export(arguments.weights, arguments.cache)
    except WeightsUnavailableError as error:
        _print_status(
            f"{error}, so nothing was exported; set the weights to random, or to auto, which uses random ones then"
        )
        return 1
    print(json.dumps(exported))
    return 0
