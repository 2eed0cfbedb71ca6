"""Writes images into one archive in Docker's format, for `ctr images import`. Shared layers are in it once."""

import hashlib
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any

from tests.support.images.layer import Layer

# The image format's names of processor architectures, by Python's.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image: name with tag, layers from the lowest up, entry point, environment and user id."""

    name: str
    layers: Sequence[Layer]
    entrypoint: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    user: int = 0

    @property
    def config(self) -> bytes:
        """The image's config JSON, whose digest is the image's id."""
        content: dict[str, Any] = {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {
                "Entrypoint": list(self.entrypoint),
                "Env": [f"{name}={value}" for name, value in self.variables.items()],
                "User": str(self.user),
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in self.layers]},
        }
        return json.dumps(content, sort_keys=True).encode()


def write_archive(images: Sequence[Image], into: IO[bytes]) -> None:
    """Write the archive to a file or a pipe."""
    with tarfile.open(fileobj=into, mode="w|") as tar:
        described = []
        written: set[str] = set()
        for image in images:
            for layer in image.layers:
                if layer.digest not in written:
                    written.add(layer.digest)
                    _add_layer(tar, layer)
            config = f"{hashlib.sha256(image.config).hexdigest()}.json"
            _add_bytes(tar, config, image.config)
            described.append(
                {"Config": config, "RepoTags": [image.name], "Layers": [_name(layer) for layer in image.layers]}
            )
        _add_bytes(tar, "manifest.json", json.dumps(described).encode())


def _name(layer: Layer) -> str:
    return f"{layer.digest}/layer.tar"


def _add_layer(tar: tarfile.TarFile, layer: Layer) -> None:
    member = tarfile.TarInfo(_name(layer))
    member.size = layer.path.stat().st_size
    with layer.path.open("rb") as file:
        tar.addfile(member, file)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, BytesIO(content))
