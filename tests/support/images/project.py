"""Builds three images of this project: two of its servers with models, and the load generator.

They have names of their own, because by default stacks use the official images of TensorFlow Serving and Locust.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from serving.export.exporter import Exported
from stacks.server.servers import EMBEDDED, OPENVINO
from stacks.version import VERSION
from tests.support.images import packages
from tests.support.images.archive import Image
from tests.support.images.layer import Entry, Layer, pack
from tests.support.images.libraries import is_extension, libraries_of
from tests.support.images.python import PYTHON, SITE, VARIABLES, python_entries
from tools.pins import ROOT
from tools.stamps import content_key, read_stamp, write_stamp

CACHE = ROOT / ".cache/images"

# What serving/ and loadtest/ import; their requirements are added.
_SERVER = (
    "fastapi", "grpcio", "grpcio-health-checking", "httptools", "numpy", "openvino", "orjson", "pillow",
    "prometheus-client", "protobuf", "pydantic", "pysimdjson", "tensorflow", "tensorflow-serving-api", "uvicorn",
    "uvloop",
)  # fmt: skip
_GENERATOR = ("grpcio", "locust", "protobuf")

# The server itself, and the types of its settings.
_SERVER_MODULES = ("serving/**/*.py", "stacks/*.py", "stacks/server/*.py")

_SERVER_USER, _GENERATOR_USER = 65532, 1000
# A command as pip writes it, for the image's Python.
_LOCUST = f"#!{PYTHON}\nimport sys\nfrom locust.main import main\nsys.exit(main())\n"


class ProjectImages:
    """Packs the images. Layers stay in a folder; the layer of packages is packed again only when they change."""

    def __init__(self, folder: Path = CACHE) -> None:
        self._folder = folder
        python = python_entries()
        self._below = {PurePosixPath(entry.name).name for entry in python}
        self._base = pack(python, folder / "python.tar")

    def servers(self, *models: Exported) -> list[Image]:
        """The embedded server and that with OpenVINO, with each model at `/models/<digest>/<name>`."""
        layers = [
            self._base,
            self._packages("server", _SERVER),
            pack((entry for model in models for entry in _model_entries(model)), self._folder / "models.tar"),
            pack(_server_entries(), self._folder / "server.tar"),
        ]
        # In a pod, requests do not come over the loopback.
        command = [str(PYTHON), "-m", "serving.server", "--bind_address=0.0.0.0"]
        return [
            Image(f"localhost/{name}:{VERSION}", layers, [*command, *flags], VARIABLES, _SERVER_USER)
            for name, flags in ((EMBEDDED.name, []), (OPENVINO.name, ["--runtime=openvino"]))
        ]

    def generator(self) -> Image:
        """Locust and gRPC; a pod adds the scripts."""
        command = pack(
            [Entry(f"{PYTHON.parent}/locust".lstrip("/"), content=_LOCUST.encode(), mode=0o755)],
            self._folder / "generator.tar",
        )
        layers = [self._base, self._packages("locust", _GENERATOR), command]
        name = f"localhost/shapebench-generator:{version('locust')}"
        return Image(name, layers, ["locust"], VARIABLES, _GENERATOR_USER)

    def _packages(self, name: str, roots: Sequence[str]) -> Layer:
        wanted = packages.with_requirements(roots)
        tar, stamp = self._folder / f"packages-{name}.tar", self._folder / f"packages-{name}.json"
        recipe = Path(__file__).parent.glob("*.py")
        key = content_key(recipe, *map(packages.record_of, wanted), *sorted(self._below))
        kept = read_stamp(stamp)
        if kept.get("key") == key and tar.exists():
            return Layer(tar, kept["digest"])
        stamp.unlink(missing_ok=True)
        entries = [entry for one in wanted for entry in packages.entries_of(one)]
        linked = [entry.source for entry in entries if entry.source and is_extension(entry.source)]
        libraries = libraries_of(linked, Path(sys.prefix))
        # Libraries of the lower layer are not packed again: parts of two C libraries would not fit together.
        layer = pack([*entries, *(libraries[name] for name in libraries.keys() - self._below)], tar)
        write_stamp(stamp, {"key": key, "digest": layer.digest})
        return layer


def _server_entries() -> Iterator[Entry]:
    for pattern in _SERVER_MODULES:
        for path in ROOT.glob(pattern):
            yield Entry(f"{SITE}/{path.relative_to(ROOT)}", path)


def _model_entries(model: Exported) -> Iterator[Entry]:
    folder = Path(model["path"])
    for path in folder.rglob("*"):
        if path.is_file():
            yield Entry(f"models/{model['digest']}/{model['name']}/{path.relative_to(folder)}", path)
