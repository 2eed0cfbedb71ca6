"""`shapebench init`: the stack file that it writes is the one that the answers describe, and a preview accepts it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from loadtest.run import pod
from loadtest.run.saved_model import model_of
from shapebench.cli import app
from shapebench.commands.setup import init as command
from shapebench.commands.setup import model
from stacks import files
from stacks.load.load_profiles import CapacitySearch
from stacks.settings import Settings
from sweep.asked import read_settings
from tests.support.saved_models import write_saved_model
from tools.console import SetupError

SENTENCES = "models/sentences"
QUESTIONS = ("Folder of your SavedModel", "recorded requests", "local, kubernetes or gke", "objective", "Zone")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is a checkout with a model of token ids, whose stacks can be created."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model, "ROOT", tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(files, "STACKS_DIR", tmp_path / "stacks")
    monkeypatch.setattr(command, "create_stack", lambda *_: ".state")
    (tmp_path / "stacks").mkdir()
    write_saved_model(Path(SENTENCES), {"serving_default": {"ids": ("int64", (None, None))}})
    return tmp_path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))


def run(*arguments: str, typed: str = "", exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, ["init", *arguments], input=typed)
    assert done.exit_code == exit_code, done.output
    return " ".join(done.output.split())


def error_of(*arguments: str) -> str:
    """The one line of an error, after which no file is there."""
    before = sorted(Path("stacks").iterdir())
    done = CliRunner().invoke(app, ["init", *arguments])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.output
    assert sorted(Path("stacks").iterdir()) == before
    return done.stderr


def written(stack: str = "sentences") -> Settings:
    return files.load_settings(stack)


def test_all_defaults_are_resnet50_on_this_machine_with_the_projects_objective() -> None:
    said = run("--yes")
    settings = written("resnet")
    assert (settings.platform, settings.model.path, settings.payload.path) == ("local", None, None)
    assert isinstance(settings.load, CapacitySearch)
    assert (settings.load.quantile, settings.load.latency_ms) == (0.99, 500)
    assert said.endswith("Next: pulumi up --stack resnet shapebench verdict --p99 500ms")


def test_an_open_size_is_a_guess_that_the_file_and_the_command_name(checkout: Path) -> None:
    assert "any size of ids, so the size in the file is a guess" in run("--yes", "--model", SENTENCES)
    assert model_of(written().model, checkout).inputs[0].shape == (None, 128)
    assert "ids: [128]  # a guess" in Path("stacks/Pulumi.sentences.yaml").read_text()


def test_a_model_in_half_precision_is_measured_over_grpc() -> None:
    write_saved_model(Path("models/half"), {"serving_default": {"pixels": ("float16", (None, 4))}})
    run("--yes", "--model", "models/half")
    assert written("half").serving.protocol == "grpc"
    np.save("pixels.npy", np.ones((3, 4), np.float16))
    run("recorded", "--yes", "--model", "models/half", "--requests", "pixels.npy")
    assert written("recorded").serving.protocol == "grpc"


def test_recorded_requests_say_the_size_themselves() -> None:
    Path("requests.jsonl").write_text('{"instances": [[1, 2, 3]]}\n')
    assert "guess" not in run("--yes", "--model", SENTENCES, "--requests", "requests.jsonl")
    assert written().payload.path == "requests.jsonl"
    assert written().model.shapes is None


def test_on_gke_the_answers_are_nodes_zone_and_region_and_it_is_said_that_it_costs_money() -> None:
    said = run("mine", "--yes", "--model", SENTENCES, "--platform", "gke:4xe2-highmem-8", "--zone", "us-central1-f")
    settings = written("mine")
    assert (settings.shape.machine_type, settings.shape.nodes) == ("e2-highmem-8", 4)
    assert settings.serving.inter_op == 8
    assert files.zone_of(files.load_config("mine"), settings) == "us-central1-f"
    assert settings.load.duration_s == 300, "the short search is for this machine"
    assert "It costs money" in said


def test_on_kubernetes_it_is_said_that_the_servers_need_the_model() -> None:
    assert "put the model where the servers find it" in run("mine", "--yes", "--platform", "kubernetes")
    stated = files.load_config("mine")["shapebench:kubernetes"]
    assert stated == files.project_defaults()["kubernetes"], "image and path are there to be changed"


@pytest.mark.parametrize(("option", "quantile"), [("--p90", 0.9), ("--p95", 0.95), ("--p99", 0.99), ("--p999", 0.999)])
def test_each_option_of_an_objective_is_the_one_that_is_searched_and_asked_of_the_verdict(
    option: str, quantile: float
) -> None:
    assert run("--yes", option, "0.2 s").endswith(f"shapebench verdict {option} 0.2s")
    load: Any = written("resnet").load
    assert (load.quantile, load.latency_ms) == (quantile, 200)


@pytest.mark.usefixtures("terminal")
def test_enter_takes_the_default_of_at_most_five_questions() -> None:
    local = run("here", typed="\n" * 4)
    assert [question in local for question in QUESTIONS] == [True, True, True, True, False]
    gke = run("there", typed="\n\ngke\n\n\n")
    assert [question in gke for question in QUESTIONS] == [True] * 5
    assert (written("here").platform, written("there").platform) == ("local", "gke")


@pytest.mark.usefixtures("terminal")
def test_a_wrong_answer_is_asked_again_with_its_error() -> None:
    typed = f"models/none\n{SENTENCES}\n\ngke:2xe2-huge\ngke\n200ms\np90 2s\neurope-west3-a\nus-central1-c\n"
    said = run(typed=typed)
    for error in ("does not exist", "'e2-huge' is no machine type", "names no percentile", "no price in europe-west3"):
        assert error in said
    assert "Traceback" not in said
    assert (written().model.path, written().platform) == (SENTENCES, "gke")
    assert files.load_config("sentences")["gcp:zone"] == "us-central1-c"


@pytest.mark.usefixtures("terminal")
def test_what_an_option_says_is_not_asked() -> None:
    said = run("--model", SENTENCES, "--platform", "gke", "--zone", "us-central1-a", typed="\n\n")
    assert [question in said for question in QUESTIONS] == [False, True, False, True, False]


@pytest.mark.usefixtures("terminal")
def test_where_the_answers_end_early_nothing_is_written() -> None:
    run(typed="\n\n", exit_code=1)
    assert list(Path("stacks").iterdir()) == []


def test_without_a_terminal_a_missing_answer_names_its_option() -> None:
    assert "--model is missing" in error_of("mine")
    answers = ["--model", "resnet50", "--requests", "generated", "--platform", "gke", "--p99", "1s"]
    for option in ("--requests", "--platform", "--p99"):
        at = answers.index(option)
        assert f"give {option}, or --yes" in error_of("mine", *answers[:at], *answers[at + 2 :])
    assert "--zone is missing" in error_of("mine", *answers)
    run("mine", *answers, "--zone", "us-central1-a")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model", "models/none"), "does not exist, so there is nothing to serve"),
        (("--model", "models/wave"), "cannot be measured: the model's input 'wave' has type complex64"),
        (("--requests", "none.jsonl"), "cannot be read"),
        (("--platform", "aws"), "shapebench:platform is 'aws', which is none of"),
        (("--platform", "local:2xe2-highmem-8"), "this machine is one node"),
        (("--platform", "gke:0xe2-highmem-8"), "shapebench:shape.nodes is 0, which is below 1"),
        (("--platform", "gke:manyxe2-highmem-8"), "shapebench:shape.nodes is 'many', which is not a whole number"),
        (("--platform", "gke:2xe2-custom-2-1024"), "too little to load"),
        (("--p99", "200"), "not a latency above 0 with a unit"),
        (("--p99", "200ms", "--p90", "1s"), "an objective has one latency limit"),
        (("--platform", "gke", "--zone", "us-central1"), "'us-central1' is not a zone"),
        (("--platform", "gke", "--zone", "europe-west3-a"), "no price in europe-west3"),
        (("--zone", "us-central1-a"), "only gke creates a cluster"),
    ],
)
def test_an_answer_that_a_preview_would_refuse_is_one_error_and_no_file(options: tuple[str, ...], said: str) -> None:
    write_saved_model(Path("models/wave"), {"serving_default": {"wave": ("complex64", (None, 4))}})
    assert said in error_of("mine", "--yes", *options)


def test_a_model_that_a_node_has_no_memory_for_is_one_error_and_no_file() -> None:
    with Path(SENTENCES, "weights").open("wb") as file:
        file.truncate(3 * 2**30)
    options = ("--yes", "--model", SENTENCES, "--platform")
    assert "a node of 4 GB has 1730 MiB left" in error_of(*options, "gke:2xe2-custom-2-4096")
    run(*options, "gke:2xe2-highmem-8")


def test_requests_that_no_config_maps_hold_are_for_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod, "_MOST_PARTS", 0)
    assert "at most 0 go to the load generator's pod" in error_of("mine", "--yes", "--platform", "gke")
    run("mine", "--yes")


@pytest.mark.parametrize("stack", ["../mine", "", "-", "mine/prod", "mine\n"])
def test_a_name_that_is_none_of_a_stack_is_refused(stack: str) -> None:
    assert "cannot be the name of a stack" in error_of("--yes", "--", stack)


def test_a_stack_file_is_never_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    run("--yes")
    path = Path("stacks/Pulumi.resnet.yaml")
    before = path.read_bytes()
    for arguments in ((), ("resnet",)):
        assert "Pulumi.resnet.yaml exists already" in error_of(*arguments, "--yes", "--p99", "1s")
    # Another program wrote it after the check.
    monkeypatch.setattr(command, "_require_new", lambda _: None)
    assert "Pulumi.resnet.yaml" in error_of("--yes", "--p99", "1s")
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_whole_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, text: str, **_: object) -> None:
        path.write_bytes(text.encode()[:20])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", half)
    assert "No space left on device" in error_of("--yes")


def test_a_stack_that_cannot_be_created_is_the_first_of_the_next_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise SetupError("the stack mine cannot be created")

    monkeypatch.setattr(command, "create_stack", fail)
    assert "Next: pulumi stack init mine pulumi up --stack mine shapebench verdict" in run("mine", "--yes")
    assert written("mine")


def test_the_file_has_the_form_of_the_committed_ones() -> None:
    run("--yes", "--model", SENTENCES)
    text = Path("stacks/Pulumi.sentences.yaml").read_text()
    assert text.startswith("config:\n  shapebench:platform: local\n  # What this machine stands in for")
    assert text.endswith("\n  shapebench:objective:\n    p99: 500ms\n    errors: 0.1%\n")
    assert [*yaml.safe_load(text)] == ["config"]


def test_a_machine_and_its_number_make_a_gke_stack_of_them() -> None:
    run("n4d", "--machine", "n4d-highcpu-8", "--nodes", "3", "--yes")
    settings = written("n4d")
    assert (settings.platform, settings.shape.machine_type, settings.shape.nodes) == ("gke", "n4d-highcpu-8", 3)
    assert settings.serving.inter_op == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--machine", "n4a-highcpu-8"), "n4a-highcpu-8 is arm64, and there is no server image"),
        (("--machine", "n4d-highcpu-7"), "did you mean n4d-highcpu-8?"),
        (("--machine", "n4d-highcpu-8", "--nodes", "0"), "shapebench:shape.nodes is 0"),
        (("--machine", "n4d-highcpu-8", "--platform", "gke:2xe2-highmem-8"), "--machine and the nodes in --platform"),
    ],
)
def test_a_wrong_machine_is_one_line_and_makes_no_file(arguments: tuple[str, ...], said: str) -> None:
    assert said in error_of(*arguments, "--yes")


def test_a_sweep_makes_the_stack_of_a_machine_that_this_command_writes() -> None:
    run("mine", "--machine", "n4-highcpu-4", "--nodes", "4", "--yes")
    made = read_settings(None, {"machines": ["n4-highcpu-4"], "total_vcpus": 16}).made
    assert files.settings_in(made["4xn4-highcpu-4"]) == written("mine")
    assert files.google_keys(made["4xn4-highcpu-4"]) == files.google_keys(files.load_config("mine"))
