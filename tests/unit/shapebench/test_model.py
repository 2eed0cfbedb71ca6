"""`shapebench model`: what it says of a SavedModel is what a preview says, and what it gives to paste can be used."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import shapebench.output
from analysis.formatting import count
from loadtest.generator.clients.rest.request import rest_body_of
from loadtest.run.payload import payload_of
from loadtest.run.saved_model import model_of
from shapebench.cli import app
from shapebench.commands.setup import model as command
from stacks.server.models import ModelSettings
from tests.support.saved_models import write_saved_model
from tools.pins import ROOT

PIXELS = {"pixels": ("float32", (None, 4))}
SENTENCES = {"ids": ("int64", (None, None)), "mask": ("bool", (None, 8))}


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is a checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path


def saved(path: str = "models/mine", **signatures: Any) -> str:
    write_saved_model(Path(path), signatures)
    return path


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["model", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def found(*arguments: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(printed(*arguments, "--json"))
    return parsed


def error_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["model", *arguments])
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr


def pasted(text: str) -> ModelSettings:
    """The settings of the YAML block, as a preview reads them."""
    block = text[text.index("config:\n") : text.index("\nSample request")]
    return ModelSettings.model_validate(yaml.safe_load(block)["config"]["shapebench:model"])


def commands(text: str) -> list[list[str]]:
    """The words of each `pulumi config set`, as a shell reads them."""
    return [shlex.split(line) for line in text.splitlines() if line.startswith("pulumi ")]


def test_a_model_that_says_all_sizes_can_be_measured_as_it_is():
    text = printed(saved(serving_default=PIXELS))
    assert "It can be served and measured as it is" in text
    assert pasted(text) == ModelSettings(path="models/mine")
    assert commands(text) == [
        ["pulumi", "config", "set", "--path", "shapebench:model.path", "models/mine", "--stack", "local"]
    ]


def test_every_signature_is_shown_with_types_and_shapes():
    path = saved(
        serving_default=SENTENCES, other={"any": ("float16", None), "one": ("float32", ()), "text": ("string", (None,))}
    )
    text = " ".join(printed(path).split())
    for tensor in (
        "serving_default input ids int64 [?, ?]",
        "serving_default input mask bool [?, 8]",
        "serving_default output scores float32 [?, 2]",
        "other input any float16 any shape",
        "other input one float32 []",
        "other input text string [?]",
    ):
        assert tensor in text
    assert found(path)["signatures"]["other"]["inputs"][0] == {"name": "any", "dtype": "float16", "shape": None}


def test_of_version_folders_the_served_one_is_named():
    for version in ("2", "10"):
        saved(f"models/cats/{version}", serving_default=PIXELS)
    text = printed("models/cats")
    assert "version folder 10, the highest, as version 1 of the model cats" in text
    assert "/v1/models/cats:predict" in text
    assert found("models/cats")["folder"].endswith("models/cats/10")


def test_a_model_with_a_uri_is_as_one_in_a_folder_and_only_its_graph_is_copied(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    saved("models/cats/7", serving_default=SENTENCES)
    (checkout / "models/cats/7/weights").write_bytes(bytes(5_000_000))
    uri = (checkout / "models/cats").as_uri()
    monkeypatch.chdir(checkout / "models")
    text = printed(uri)
    assert "version folder 7, the highest, as version 1 of the model cats" in text
    assert re.search(r"2 files, 5\.0+\d* MB", text)
    assert pasted(text).path == commands(text)[0][5] == uri
    copied = Path(found(uri)["folder"])
    assert copied.is_relative_to(checkout / ".cache/models")
    assert [path.name for path in copied.iterdir()] == ["saved_model.pb"]


def test_open_sizes_are_guessed_and_the_settings_with_the_guess_are_accepted(checkout: Path):
    path = saved(serving_default=SENTENCES | {"photo": ("float32", (None, None, None, 3)), "a.b": ("float32", None)})
    text = printed(path)
    settings = pasted(text)
    assert settings.shapes == {"a.b": [128], "ids": [128], "photo": [224, 224, 3]}
    assert model_of(settings, checkout).inputs
    assert text.count("# a guess") == 3
    keys = {words[4]: words[5] for words in commands(text)}
    assert keys['shapebench:model.shapes["a.b"][0]'] == "128"
    assert [keys[f"shapebench:model.shapes.photo[{at}]"] for at in range(3)] == ["224", "224", "3"]


def test_a_guess_of_many_dimensions_stays_small(checkout: Path):
    settings = pasted(printed(saved(serving_default={"clip": ("uint8", (None, None, None, None, 3))})))
    assert settings.shapes == {"clip": [16, 16, 16, 3]}


def test_all_problems_are_named_and_not_only_the_first():
    path = saved(
        serving_default={"wave": ("complex64", (None, None)), "one": ("float32", ()), "two": ("int32", (2, 2))}
    )
    text = " ".join(printed(path).split())
    assert "It cannot be measured with its signature serving_default, and no setting changes that:" in text
    assert "'wave' takes [?] for an instance" in text
    assert "'wave' has type complex64" in text
    assert "'one' is a single value" in text
    assert "Settings" not in text
    assert "curl" not in text
    assert not found(path)["measurable"]


def test_a_model_whose_types_no_request_over_rest_carries_is_measured_over_grpc(checkout: Path):
    path = saved(
        serving_default={"half": ("float16", (None, 4)), "brain": ("bfloat16", (None,)), "ids": ("int32", (None,))}
    )
    text = printed(path)
    assert (
        "REST API can carry no values of brain (bfloat16), half (float16); set shapebench:serving.protocol"
        in " ".join(text.split())
    )
    assert commands(text)[-1] == shlex.split("pulumi config set --path shapebench:serving.protocol grpc --stack local")
    assert "  shapebench:serving:\n    protocol: grpc\n" in text
    assert "Sample request: none, since no request over REST can carry its types" in text
    parsed = found(path)
    assert (parsed["measurable"], parsed["protocol"], parsed["request"]["body"]) == (True, "grpc", None)
    assert model_of(pasted(text), checkout, protocol="grpc").inputs


def test_without_the_default_signature_another_is_shown_and_set():
    text = printed(saved(rank=PIXELS))
    assert "no signature 'serving_default' with inputs" in text
    assert "It can be served and measured with its signature rank once these are set" in text
    assert pasted(text) == ModelSettings(path="models/mine", signature="rank")
    assert "shapebench:model.signature" in commands(text)[1]


def test_a_model_without_signatures_is_shown_with_its_files():
    text = printed(saved())
    assert "It cannot be measured, and no setting changes that:" in text
    assert "1 file" in text


def test_a_signature_can_be_chosen():
    text = printed(saved(serving_default=SENTENCES, raw=PIXELS), "--signature", "raw")
    assert "It can be served and measured as it is, with its signature raw" in text
    assert pasted(text).signature == "raw"
    assert '"signature_name": "raw"' in text


def test_memory_and_stacks_are_those_that_a_preview_demands():
    path = saved(serving_default=PIXELS)
    with Path(path, "weights").open("wb") as file:
        file.truncate(3 * 2**30)
    text, stacks = printed(path), {each["stack"]: each for each in found(path)["stacks"]}
    assert f"a pod needs {count(3489)} MiB" in text
    assert "- 2cpu-4gb, kubernetes: a node of 4 GB has 1730 MiB left" in text
    assert {name for name, each in stacks.items() if each["problems"]} == {"2cpu-4gb", "kubernetes"}
    assert stacks["4cpu-8gb"]["memory_mib"] > 3489
    (local,) = (line for line in text.splitlines() if line.startswith("local"))
    assert "not checked" in local


def test_a_request_that_no_config_map_holds_keeps_the_model_from_clusters_only():
    path = saved(serving_default={"image": ("float32", (None, 1024, 7000))})
    problems = {each["stack"]: each["problems"] for each in found(path)["stacks"]}
    assert problems.pop("local") == []
    assert all("but at most 24 go to the load generator's pod" in each for (each,) in problems.values())
    assert len(problems) > 1


def test_a_short_request_is_the_one_that_a_load_test_sends(checkout: Path):
    text = printed(saved(serving_default=PIXELS))
    curl = shlex.split(text[text.index("curl ") :].replace("\\\n", ""))
    assert curl[:3] == ["curl", "http://localhost:8501/v1/models/mine:predict", "-d"]
    (request,) = payload_of(model_of(ModelSettings(path="models/mine"), checkout)).requests
    sent = json.loads(rest_body_of(request, "serving_default"))
    body = json.loads(curl[3])
    assert body["signature_name"] == sent["signature_name"]
    assert body["instances"][0] == pytest.approx(sent["instances"][0], abs=0.005)


def test_a_long_request_is_shown_by_its_beginning_and_its_size():
    path = saved(serving_default={"photo": ("float32", (None, 224, 224, 3)), "ids": ("bool", (None, 9))})
    text = printed(path)
    assert "-d @request.json" in text
    last = text.splitlines()[-1]
    assert "… 9]" in last
    assert "], … 224], … 224]" in last
    assert len(last) < 160
    assert len(found(path)["request"]["body"]["instances"][0]["photo"]) == 224


def test_a_request_that_nobody_reads_is_not_written():
    path = saved(serving_default={"image": ("uint8", (None, 512, 513))})
    assert f"Sample request: none, since it would have {count(512 * 513)} values" in printed(path)
    assert found(path)["request"]["body"] is None


def test_what_is_to_be_pasted_is_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch):
    path = saved("models/" + 5 * "long-", serving_default=SENTENCES)
    on_a_wide_one = printed(path)
    monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _: 40)
    on_a_narrow_one = printed(path)
    assert commands(on_a_narrow_one) == commands(on_a_wide_one)
    assert pasted(on_a_narrow_one).path == path


def test_a_folder_outside_the_checkout_is_set_with_its_absolute_path(monkeypatch: pytest.MonkeyPatch, checkout: Path):
    saved("elsewhere/my model", serving_default=PIXELS)
    monkeypatch.setattr(command, "ROOT", checkout / "checkout")
    text = printed("elsewhere/my model")
    assert pasted(text).path == commands(text)[0][5] == str(checkout / "elsewhere/my model")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("models/none", "PATH is 'models/none', but .*models/none does not exist"),
        ("models/mine/saved_model.pb", "is not a folder"),
        ("models", "has neither saved_model.pb nor version folders with it"),
        ("", "has neither saved_model.pb nor version folders with it"),
        ("file:///models/none", "PATH is 'file:///models/none', which cannot be read: "),
        ("models/broken", "saved_model.pb cannot be read"),
    ],
)
def test_a_path_without_a_model_is_one_error(path: str, said: str):
    saved(serving_default=PIXELS)
    Path("models/broken").mkdir()
    Path("models/broken/saved_model.pb").write_bytes(b"\xff\xff")
    error = error_of(path)
    assert error.count("\n") == 1
    assert re.search(said, error)


def test_a_signature_that_the_model_lacks_is_one_error():
    error = error_of(saved(serving_default=PIXELS, raw=PIXELS), "--signature", "row")
    assert "no signature 'row' with inputs" in error
    assert "raw, serving_default" in error


def test_a_stack_with_a_wrong_file_is_noted_and_the_others_are_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "stack_names", lambda: ["nothing", "local"])
    result = CliRunner().invoke(app, ["model", saved(serving_default=PIXELS)])
    assert result.exit_code == 0
    assert "skipped: stack nothing: there is no stack 'nothing'" in result.stderr
    assert "\nlocal " in result.stdout


def test_tensorflow_is_not_imported():
    path = saved(serving_default=PIXELS)
    code = (
        "import sys; from shapebench.commands.setup.model import print_model;"
        f" print_model({path!r}, None, as_json=True); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert {"tensorflow", "pulumi"}.isdisjoint(done.stderr.split())
