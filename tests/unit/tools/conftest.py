import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.loopback import serve_http
from tools import release
from tools.pins import Pins, load_pins

WHOLE = {f"pulumi/{name}": name.encode() for name in release.RELEASE_FILES} | {
    "pulumi/pulumi-language-go": b"not wanted",
    "../outside": b"a path that leads out",
}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def archive_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as content:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            content.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@dataclass
class Releases:
    """A server of releases on the loopback, and pins that point to it and, unless told otherwise, name its archive."""

    pins: Pins
    folder: Path

    def publish(self, files: dict[str, bytes] = WHOLE, pinned: str | None = None) -> str:
        archive = release.archive_name(self.pins)
        assert archive is not None
        content = archive_of(files)
        (self.folder / archive).write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        sums = f"{'0' * 64}  another.tar.gz\n{checksum}  {archive}\n"
        (self.folder / f"pulumi-{self.pins.pulumi}-checksums.txt").write_text(sums)
        self.pins = replace(self.pins, pulumi_sha256={archive: pinned or checksum})
        return archive


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    served = tmp_path / "served"
    with serve_http(partial(QuietHandler, directory=str(served))) as url:
        pins = replace(load_pins(), pulumi_releases=url)
        folder = served / f"v{pins.pulumi}"
        folder.mkdir(parents=True)
        yield Releases(pins, folder)
