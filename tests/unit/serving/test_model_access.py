"""The wait for a model in a bucket, as the init container runs it, against a metadata server and a bucket."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from serving import model_access
from serving.model_access import NoAccessError, read_model, wait
from tests.support.loopback import serve_http
from tests.support.model_bucket import ModelBucket, serving_bucket

URI = "gs://models-1a2b/d1/resnet"
OBJECT = "models-1a2b/d1/resnet/1/saved_model.pb"


@pytest.fixture
def bucket() -> ModelBucket:
    return ModelBucket(holds=lambda name: name == OBJECT)


@pytest.fixture
def url(bucket: ModelBucket) -> Iterator[str]:
    with serving_bucket(bucket) as url:
        yield url


def as_a_container(url: str, within_s: float, uri: str = URI, *objects: str) -> subprocess.CompletedProcess[str]:
    """Without site-packages, as the image of the init container need not have ours."""
    command = [sys.executable, "-I", "-S", str(Path(model_access.__file__)), url, url, uri, str(within_s), *objects]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def after(seconds: float) -> float:
    return time.monotonic() + seconds


def test_a_readable_model_is_an_object_and_a_list_of_its_folder(bucket, url):
    done = as_a_container(url, 0)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{URI} can be read\n", "")
    assert bucket.asked[1:] == [
        "/storage/v1/b/models-1a2b/o/d1%2Fresnet%2F1%2Fsaved_model.pb",
        "/storage/v1/b/models-1a2b/o?prefix=d1%2Fresnet%2F&maxResults=1",
    ]


def test_it_waits_through_a_cold_metadata_server_and_a_late_grant_and_says_each_once(bucket, url, monkeypatch, capsys):
    monkeypatch.setattr(model_access, "_INTERVAL_S", 0.05)
    warm, granted = after(0.4), after(0.8)
    bucket.gives_tokens = lambda: time.monotonic() > warm
    bucket.permits = lambda *_: time.monotonic() > granted
    wait(lambda: read_model(url, url, URI), within_s=10)
    assert 0 <= time.monotonic() - granted < 0.5
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert "the metadata server gives no token (503" in said[0]
    assert "missing or not yet in force (403" in said[1]


def test_without_access_it_gives_up_with_the_reason_and_what_to_do(bucket, url):
    bucket.permits = lambda *_: False
    began = time.monotonic()
    done = as_a_container(url, 1)
    assert done.returncode == 1
    assert time.monotonic() - began < 10
    assert "not yet in force (403 Caller does not have storage.objects.get access" in done.stdout
    (reason,) = done.stderr.splitlines()
    assert reason.startswith("after 1 s the model still cannot be read, so the server was not started: gs://")
    assert "storage.objects.get" in reason
    assert "run `pulumi up` again: a change of IAM takes typically 2 minutes, potentially 7 or longer" in reason
    assert "ya29" not in done.stdout + done.stderr


def test_the_right_to_get_is_not_enough_for_the_server_lists_too(bucket, url):
    bucket.permits = lambda _, permission: permission == "storage.objects.get"
    with pytest.raises(NoAccessError, match=r"the list of gs://models-1a2b/d1/resnet cannot be read.*objects\.list"):
        read_model(url, url, URI)


@pytest.mark.parametrize(
    ("change", "reason", "fix"),
    [
        ({"gives_tokens": lambda: False}, r"the metadata server gives no token \(503", "the mode GKE_METADATA"),
        (
            {"accepts_tokens": False},
            r"does not accept the pod's token \(401 Invalid Credentials\)",
            "the program that answers at the metadata server's address",
        ),
        (
            {"permits": lambda *_: False},
            r"grant to the pod's service account is missing or not yet in force \(403",
            "a change of IAM takes typically 2 minutes",
        ),
        (
            {"holds": lambda _: False},
            r"it is not in the bucket \(404 No such object: models-1a2b/d1/resnet/1/saved_model\.pb",
            "copy the export to modelUri",
        ),
    ],
)
def test_each_step_has_its_own_reason_and_what_to_do_about_it(bucket, url, change, reason, fix):
    for name, value in change.items():
        setattr(bucket, name, value)
    with pytest.raises(NoAccessError, match=reason) as raised:
        read_model(url, url, URI)
    assert fix in raised.value.fix
    assert as_a_container(url, 0).stderr.endswith(f". {raised.value.fix}\n")


def test_where_nothing_listens_it_says_which_of_the_two_does_not_answer(url):
    with pytest.raises(NoAccessError, match=r"the metadata server does not answer \(.*refused"):
        read_model("http://127.0.0.1:1", url, URI)
    with pytest.raises(NoAccessError, match=r"Cloud Storage does not answer \(.*refused") as raised:
        read_model(url, "http://127.0.0.1:1", URI)
    assert "reaches storage.googleapis.com" in raised.value.fix


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>"])
def test_an_answer_that_holds_no_token_is_a_reason_too(body):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serve_http(Handler) as broken, pytest.raises(NoAccessError, match="holds no token"):
        read_model(broken, broken, URI)


FILES = ("1/saved_model.pb", "1/variables/variables.index", "1/variables/variables.data-00000-of-00001")
OF_URI = URI.removeprefix("gs://")


def test_a_copy_has_every_file_of_the_model_and_is_not_made_twice(bucket, url, tmp_path):
    bucket.names = lambda: [f"{OF_URI}/{file}" for file in FILES] + ["models-1a2b/d2/other/1/saved_model.pb"]
    bucket.holds = lambda name: name in bucket.names()
    done = as_a_container(url, 1, URI, "{}", str(tmp_path / "copied"))
    assert (done.returncode, done.stdout) == (0, f"{URI} is copied to {tmp_path / 'copied'}\n")
    copied = {str(path.relative_to(tmp_path / "copied")): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_text() for name, path in copied.items()} == {name: f"{OF_URI}/{name}" for name in FILES}
    bucket.asked.clear()
    model_access.copy_model(url, url, URI, tmp_path / "copied")
    assert not [path for path in bucket.asked if "alt=media" in path]


def test_a_file_that_was_cut_off_is_copied_again(bucket, url, tmp_path):
    bucket.names = lambda: [f"{OF_URI}/{file}" for file in FILES]
    bucket.holds = lambda name: name in bucket.names()
    (tmp_path / "1").mkdir()
    (tmp_path / "1/saved_model.pb").write_text("half")
    model_access.copy_model(url, url, URI, tmp_path)
    assert (tmp_path / "1/saved_model.pb").read_text() == f"{OF_URI}/1/saved_model.pb"


def test_a_file_of_another_size_than_listed_is_no_copy(bucket, url, tmp_path):
    bucket.listed = [{"name": "d1/resnet/1/saved_model.pb", "size": "7", "timeCreated": "2026-01-01T00:00:00Z"}]
    with pytest.raises(NoAccessError, match=r"saved_model\.pb ended after \d+ of 7 bytes"):
        model_access.copy_model(url, url, URI, tmp_path)


def test_a_name_that_leads_out_of_the_folder_is_refused(bucket, url, tmp_path):
    bucket.listed = [{"name": "d1/resnet/../../x", "size": "1", "timeCreated": "2026-01-01T00:00:00Z"}]
    with pytest.raises(model_access.ChangedModelError, match="outside its folder"):
        model_access.copy_model(url, url, URI, tmp_path / "a")
    assert not (tmp_path / "x").exists()


IN_PLACE = "gs://of-the-team/models/cats"
# As loadtest.run.remote_model.RemoteModel.objects has them. A page of the stand-in's list has two.
WANTED = {
    "3/saved_model.pb": [7, 1767225600123000],
    "3/variables/variables.index": [8, 1767225600000000],
    "3/assets/words.txt": [9, 1767225601000000],
}
MILLISECONDS = "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"


@pytest.fixture
def in_place(bucket: ModelBucket) -> ModelBucket:
    """A bucket with the wanted objects, an earlier version, and what the server does not take for one."""
    bucket.holds = lambda name: name == "of-the-team/models/cats/3/saved_model.pb"
    bucket.listed = [
        {"name": f"models/cats/{path}", "size": str(size), "timeCreated": created}
        for (path, (size, _)), created in zip(WANTED.items(), MILLISECONDS, strict=True)
    ]
    others = ("2/saved_model.pb", "3/", "30-old/saved_model.pb", "README.md")
    bucket.listed += [{"name": f"models/cats/{path}", "size": "1", "timeCreated": MILLISECONDS[1]} for path in others]
    bucket.listed.append({"name": "models/cats-too/4/saved_model.pb", "size": "1", "timeCreated": MILLISECONDS[1]})
    return bucket


def test_a_model_in_place_that_is_as_it_was_copied_can_be_read(in_place, url):
    done = as_a_container(url, 0, IN_PLACE, json.dumps(WANTED))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{IN_PLACE} can be read\n", "")
    assert in_place.asked[-1] == "/storage/v1/b/of-the-team/o/models%2Fcats%2F3%2Fsaved_model.pb"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda listed: listed[1].update(size="9"), "3/variables/variables.index was changed"),
        (lambda listed: listed[0].update(timeCreated="2026-01-01T00:00:00.124Z"), "3/saved_model.pb was changed"),
        (lambda listed: listed.pop(2), "3/assets/words.txt is gone"),
        (lambda listed: listed.clear(), "3/assets/words.txt is gone"),
        (lambda listed: listed.append(listed[0] | {"name": "models/cats/3/more"}), "3/more was added"),
        (lambda listed: listed.append(listed[0] | {"name": "models/cats/10/saved_model.pb"}), "it has the version 10"),
    ],
)
def test_a_model_in_place_that_changed_is_refused_at_once(in_place, url, change, said):
    change(in_place.listed)
    began = time.monotonic()
    done = as_a_container(url, 60, IN_PLACE, json.dumps(WANTED))
    assert time.monotonic() - began < 30
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"the model in {IN_PLACE} is not the one that `pulumi up` copied and hashed")
    assert f"was not started: {said}" in done.stderr
    assert done.stderr.endswith(". Run `pulumi up` again, which measures the model that is there now\n")


def test_a_grant_that_is_late_is_waited_for_before_anything_is_compared(in_place, url, monkeypatch):
    monkeypatch.setattr(model_access, "_INTERVAL_S", 0.05)
    granted = after(0.3)
    in_place.permits = lambda *_: time.monotonic() > granted
    wait(lambda: read_model(url, url, IN_PLACE, WANTED), within_s=10)
    assert time.monotonic() >= granted
