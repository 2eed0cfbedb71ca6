"""The sidecar of the generator's pod, run as a process, and over HTTP."""

import base64
import hashlib
import http.client
import json
import random
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.pod import sidecar
from loadtest.generator.pod.sidecar import TOKEN_HEADER, listing, requests_answered, unpacked
from tools.pins import ROOT

TOKEN = "the-token-of-the-run"
PORT = 8502


def process_of(*arguments: object) -> list[str]:
    return [sys.executable, "-S", "-m", "loadtest.generator.pod.sidecar", *map(str, arguments)]


def said(*arguments: object) -> str:
    return subprocess.run(process_of(*arguments), cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def address() -> str:
    """One of the loopback's own, as other tests use the port as well."""
    return f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(2, 254)}"


@pytest.fixture
def listening(tmp_path: Path, address: str) -> Iterator[str]:
    with requests_answered(tmp_path, address, PORT, TOKEN):
        yield address


def wait_until_it_handles_sigterm(process: subprocess.Popen[bytes]) -> None:
    """Until then the signal ends it, as any process that is no container's first one."""
    deadline = time.monotonic() + 60
    while True:
        status = Path(f"/proc/{process.pid}/status").read_text()
        (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
        if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
            return
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def got(address: str, path: str, method: str = "GET", token: str | None = TOKEN) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, PORT, timeout=10)
    connection.request(method, path, headers={} if token is None else {TOKEN_HEADER: token})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_a_file_comes_back_part_by_part_as_it_was_listed(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    (tmp_path / "locust-0.csv").write_bytes(content)
    size, sha256 = json.loads(said("list", tmp_path))["locust-0.csv"]
    parts = [said("read", tmp_path, "locust-0.csv", offset, 1000) for offset in range(0, size, 1000)]
    assert b"".join(unpacked(part.strip()) for part in parts) == content
    assert hashlib.sha256(content).hexdigest() == sha256


def test_a_request_is_answered_as_the_command_of_its_path(tmp_path: Path, listening: str) -> None:
    (tmp_path / "locust-0.csv").write_bytes(b"1,2,3\n" * 100)
    assert got(listening, "/list") == (200, said("list", tmp_path).strip())
    assert got(listening, "/read/locust-0.csv/6/12") == (200, said("read", tmp_path, "locust-0.csv", 6, 12).strip())
    assert float(got(listening, "/clock")[1]) == pytest.approx(float(said("clock", tmp_path)), abs=30)


@pytest.mark.parametrize("token", [None, "", "another", TOKEN[:-1], "tök\xff"])
@pytest.mark.parametrize(
    "path", ["/list", "/read/locust-0.csv/0/10", "/clock", "/release", "/interrupt", "/master/10.0.0.7/5557", "/"]
)
def test_nobody_without_the_token_gets_an_answer_or_ends_anything(
    tmp_path: Path, listening: str, path: str, token: str | None
) -> None:
    (tmp_path / "locust-0.csv").write_bytes(b"1,2,3\n")
    status, text = got(listening, path, token=token)
    assert status == 403
    assert "1,2,3" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["locust-0.csv"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/read/plan.json/0/100",
        "/read/../plan.json/0/100",
        "/read/..%2Fplan.json/0/100",
        "/read//etc/passwd/0/100",
        "/read/%2Fetc%2Fpasswd/0/100",
        "/read/locust-0.csv/0",
        "/read/locust-0.csv/-1/100",
        "/read/locust-0.csv/a/100",
        "/list/locust-0.csv",
        "/keep/600/8502",
        "/master/10.0.0.7",
        "/locust-0.csv",
    ],
)
def test_nothing_but_results_is_served(tmp_path: Path, address: str, path: str) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "locust-0.csv").write_bytes(b"1,2,3\n")
    for hidden in (tmp_path / "plan.json", folder / "plan.json"):
        hidden.write_text("hidden")
    with requests_answered(folder, address, PORT, TOKEN):
        assert got(address, path)[0] == 404
        assert list(json.loads(got(address, "/list")[1])) == ["locust-0.csv"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_no_other_method_is_answered(tmp_path: Path, listening: str, method: str) -> None:
    assert got(listening, "/release", method)[0] == 501
    assert list(tmp_path.iterdir()) == []


def test_it_listens_at_an_address_of_either_version(tmp_path: Path) -> None:
    with requests_answered(tmp_path, "::1", PORT, TOKEN):
        assert got("::1", "/list") == (200, "{}")


def test_a_large_file_is_listed_and_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "locust-0.csv"
    with path.open("wb") as file:
        file.truncate(256 * 2**20)
    tracemalloc.start()
    size, _ = json.loads(listing(tmp_path))["locust-0.csv"]
    sidecar.part(path, size - 4 * 2**20, 4 * 2**20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 256 * 2**20
    assert peak < 8 * 2**20


@given(st.binary(min_size=1), st.data())
def test_an_incomplete_part_is_an_error(content: bytes, data: st.DataObject) -> None:
    packed = base64.b64encode(zlib.compress(content)).decode()
    with pytest.raises(ValueError, match=r".+"):
        unpacked(packed[: data.draw(st.integers(0, len(packed) - 1))])


@pytest.mark.parametrize("way", ["command", "request"])
def test_it_ends_when_it_is_released_and_not_at_a_sigterm(tmp_path: Path, address: str, way: str) -> None:
    variables = {"SHAPEBENCH_SIDECAR_ADDRESS": address, "SHAPEBENCH_SIDECAR_TOKEN": TOKEN}
    with subprocess.Popen(process_of("keep", tmp_path, 60, PORT), cwd=ROOT, env=variables) as process:
        wait_until_it_handles_sigterm(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        if way == "request":
            assert got(address, "/release") == (200, "")
        else:
            said("release", tmp_path)
        assert process.wait(10) == 0


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    sidecar.keep(tmp_path, keep_s=0)


def test_an_unknown_command_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        said("juggle", "/")
    assert "the sidecar does not know `juggle`; give list, read FILE OFFSET COUNT, clock, " in failure.value.stderr
