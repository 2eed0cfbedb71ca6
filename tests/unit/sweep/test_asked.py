from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.explain import SettingsError
from stacks.files import load_settings, stack_names
from stacks.server.serving_variant import fingerprint
from stacks.settings import Settings, parse_settings
from sweep.asked import read_settings
from sweep.candidates import Candidate

GKE_STACKS = [stack for stack in stack_names() if load_settings(stack).platform == "gke"]


def candidates(**options: Any) -> tuple[Candidate, ...]:
    return read_settings(None, options).candidates


def labels(**options: Any) -> list[str]:
    return [candidate.label for candidate in candidates(**options)]


def error(file: Path | None = None, **options: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        read_settings(file, options)
    return str(raised.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sweep.yaml"


def test_the_candidates_are_all_combinations() -> None:
    found = candidates(stacks=["2cpu-4gb", "8cpu-16gb"], inter_op=[2, 4, 8], protocol=["rest", "grpc"])
    served = {(each.stack, each.serving.inter_op, each.serving.protocol) for each in found}
    assert len(found) == len(served) == 2 * 3 * 2


def test_without_axes_a_stack_is_measured_as_its_file_says() -> None:
    (one,) = candidates(stacks=["8cpu-64gb"])
    own = load_settings("8cpu-64gb")
    assert (one.label, one.serving, one.server, one.load) == ("8cpu-64gb", own.serving, None, own.load)


def test_the_shapes_own_number_of_threads_is_one_candidate_however_it_is_stated() -> None:
    assert len(candidates(stacks=["8cpu-16gb"], intra_op=["shape", 8])) == 1
    assert len(candidates(stacks=["2cpu-4gb"], intra_op=["shape", 8])) == 2


def test_a_thread_for_each_core_is_half_of_the_vcpus_where_a_core_has_two() -> None:
    assert [candidate.serving.intra_op for candidate in candidates(stacks=["8cpu-16gb"], intra_op=["cores"])] == [4]
    (one,) = candidates(machines=["t2d-standard-8"], total_vcpus=16, intra_op=["cores", "shape", 8])
    assert one.serving.intra_op is None


def test_the_server_that_the_stack_has_is_one_candidate_however_it_is_stated() -> None:
    own = load_settings("8cpu-16gb").gke.serving_image
    assert candidates(stacks=["8cpu-16gb"], server=[own]) == candidates(stacks=["8cpu-16gb"])


def test_a_sweep_of_a_stack_with_any_image_varies_the_image_and_what_its_arguments_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = {"image": "a:1", "args": ["{model}"], "protocol": "v2", "ports": {"rest": 8080}}
    serving = {"protocol": "v2-rest", "interOp": 2}

    def settings_of(stack: str, arguments: Sequence[str] = ("{model}",)) -> Settings:
        own = load_settings(stack).model_dump(by_alias=True, exclude_none=True)
        return parse_settings(own | {"server": server | {"args": list(arguments)}, "serving": serving})

    monkeypatch.setattr("sweep.axes.load_settings", settings_of)
    found = candidates(stacks=["kubernetes"], server=["a:1", "a:2"])
    assert [each.server for each in found] == [None, "a:2"]
    assert "does not use it, so it would change nothing" in error(stacks=["kubernetes"], inter_op=[2, 4])
    monkeypatch.setattr("sweep.axes.load_settings", lambda stack: settings_of(stack, ("{model}", "{interOp}")))
    assert len(candidates(stacks=["kubernetes"], inter_op=[2, 4])) == 2


def test_batching_threads_follow_the_vcpus_of_each_shape() -> None:
    found = candidates(stacks=["2cpu-4gb", "8cpu-16gb"], batching=[32])
    assert [each.serving.batching and each.serving.batching.num_batch_threads for each in found] == [2, 8]
    (one,) = candidates(stacks=["local"], batching=[{"maxBatchSize": 8, "numBatchThreads": 7}])
    assert one.serving.batching
    assert (one.serving.batching.num_batch_threads, one.serving.batching.max_enqueued_batches) == (7, 2)


def test_off_needs_no_quotes_in_a_file(file: Path) -> None:
    file.write_text("stacks: local\nbatching: [off, 32]\n", encoding="utf-8")
    assert [candidate.label for candidate in read_settings(file, {}).candidates] == ["no batching", "batch32"]


def test_of_stacks_of_other_machines_something_is_known_beforehand_unless_all_are_to_be_measured() -> None:
    machines = {"machines": ["n2-highmem-8", "n2-highcpu-8", "c3d-highcpu-8"], "total_vcpus": 16}
    asked = read_settings(None, machines)
    assert asked.priors.keys() == {candidate.stack for candidate in asked.candidates}
    assert asked.priors["2xn2-highcpu-8"].log_cost < asked.priors["2xn2-highmem-8"].log_cost
    assert read_settings(None, machines | {"estimate": False}).priors == {}


@pytest.mark.parametrize("stacks", [["local"], ["8cpu-16gb"], ["2cpu-4gb", "8cpu-64gb"]])
def test_of_this_machine_one_stack_or_a_series_whose_cpu_comes_by_chance_nothing_is_known_beforehand(
    stacks: list[str],
) -> None:
    assert read_settings(None, {"stacks": stacks, "inter_op": [2, 4]}).priors == {}


def test_labels_say_only_what_differs() -> None:
    assert labels(stacks=["local"], inter_op=[2, 4], protocol=["rest", "grpc"]) == [
        "interop2",
        "interop2-grpc",
        "interop4",
        "interop4-grpc",
    ]
    assert labels(stacks=["2cpu-4gb", "8cpu-16gb"], protocol=["grpc"]) == ["2cpu-4gb", "8cpu-16gb"]
    assert labels(stacks=["local"], objectives=[{"p99": "1s"}, {"p90": "1s"}]) == [
        "local · p99 1000 ms",
        "local · p90 1000 ms",
    ]


@settings(max_examples=50)
@given(
    st.one_of(
        st.lists(st.sampled_from(GKE_STACKS), min_size=1, max_size=4, unique=True),
        st.sampled_from(sorted({*stack_names()} - {*GKE_STACKS})).map(lambda stack: [stack]),
    ),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.lists(st.sampled_from([1, 2, 8, "shape"]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["off", 8, 32, {"maxBatchSize": 32, "batchTimeoutMicros": 9}]), min_size=1, max_size=4),
    st.lists(st.sampled_from([{"p99": "1s"}, {"p99": "1s", "errors": "1%"}, {"p90": "1s"}]), min_size=1, max_size=3),
)
def test_no_two_candidates_have_the_same_label_or_key(
    stacks: list[str], inter_op: list[int], intra_op: list[Any], batching: list[Any], objectives: list[Any]
) -> None:
    found = candidates(stacks=stacks, inter_op=inter_op, intra_op=intra_op, batching=batching, objectives=objectives)
    assert len({each.label for each in found}) == len({each.key for each in found}) == len(found)


def test_options_override_the_file(file: Path) -> None:
    file.write_text(yaml.dump({"stacks": ["local"], "interOp": [2, 4], "maxUsd": 5, "within": "2%"}), encoding="utf-8")
    asked = read_settings(file, {"inter_op": [8], "strategy": "grid"})
    assert [candidate.serving.inter_op for candidate in asked.candidates] == [8]
    assert (asked.max_usd, asked.within, asked.strategy) == (5, 0.02, "grid")


@pytest.mark.parametrize(
    ("line", "key"), [("within: 0.02", "within"), ("objectives: {p99: 1s, errors: 0.02}", "errors")]
)
def test_a_share_of_the_file_without_its_percent_sign_is_refused(file: Path, line: str, key: str) -> None:
    file.write_text(f"stacks: [local]\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"sweep.yaml: .*{key}.* '0\.02' has no %, so it may mean 0.02% or 2%"):
        read_settings(file, {})


def test_a_load_of_the_file_changes_the_search_of_all_stacks(file: Path) -> None:
    file.write_text("stacks: [2cpu-4gb, 8cpu-16gb]\nload: {durationS: 60}\nobjectives: {p90: 2s, errors: 1%}\n")
    loads = {candidate.load for candidate in read_settings(file, {}).candidates}
    assert [(load.duration_s, load.quantile, load.latency_ms, load.error_ratio) for load in loads] == [
        (60, 0.9, 2000, 0.01)
    ]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, ("--stack is not given", "give --stack")),
        ({"stacks": ["locl"]}, ("no stack 'locl'", "the stacks are")),
        ({"stacks": ["local"], "inter_op": [300]}, ("--inter-op is 300", "Give 1 to 256")),
        ({"stacks": ["local"], "batching": ["x"]}, ("--batching: 'x' is no batching", "give off, the largest batch")),
        (
            {"stacks": ["local"], "protocol": ["rst"]},
            ("--protocol is 'rst'", "Give one or more of rest, grpc, v2-rest"),
        ),
        ({"stacks": ["local"], "objectives": [{"p99": "400"}]}, ("--p99", "give one such as 400ms")),
        ({"stacks": ["local"], "within": "0.05"}, ("--within", "'0.05' has no %, so it may mean 0.05% or 5%")),
        (
            {"stacks": ["local"], "server": ["a:1"]},
            ("cannot be measured on the stack local", "Change --server", "out of --stack"),
        ),
        (
            {"stacks": ["2cpu-4gb", "local"]},
            ("2cpu-4gb is on the platform gke and local on local", "leave one of them out of --stack"),
        ),
        ({"stacks": ["local"], "within": "7"}, ("--within", "'7' has no %, so it is no share; give 7%")),
        ({"stacks": ["local"], "inter_op": list(range(1, 257)), "intra_op": list(range(1, 9))}, ("more than 2000",)),
    ],
)
def test_an_error_names_the_option_and_the_fix(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    assert [part for part in parts if part not in error(**options)] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("stacks: local\ninterop: 2", ("sweep.yaml: interop is not a setting", "did you mean interOp?")),
        ("stacks: local\nmaxUsd: -1", ("sweep.yaml: maxUsd is -1", "Leave it out")),
        ("stacks: local\nbatching: {maxBatchSiz: 8}", ("sweep.yaml: batching.maxBatchSiz", "mean maxBatchSize?")),
        ("stacks: local\nload: {durationSS: 8}", ("sweep.yaml: load.durationSS", "did you mean durationS?")),
        ("stacks: local\nload: {latencyMs: 8}", ("sweep.yaml: load has latencyMs", "give sweep.yaml: objectives")),
        (
            "stacks: local\nobjectives: {p9: 1s}",
            ("sweep.yaml: objectives: an objective has no limit p9, so", "give one of p90"),
        ),
        ("interOp: 2", ("sweep.yaml has no stacks", "give --stack")),
        (
            "stack: local\ninterop: 2",
            (
                "sweep.yaml has no stacks",
                "sweep.yaml: stack is not a setting",
                "mean stacks?",
                "sweep.yaml: interop is",
            ),
        ),
        ("stacks: local\nbatching: [text]", ("sweep.yaml: batching: 'text' is no batching", "give off, the largest")),
        ("stacks: local\nbatching: [[8]]", ("sweep.yaml: batching: [8] is no batching",)),
        ("- 2", ("has no keys",)),
        ("stacks: local\n{", ("is not YAML at line 2, column 1",)),
    ],
)
def test_an_error_names_the_key_of_the_file(file: Path, text: str, parts: tuple[str, ...]) -> None:
    file.write_text(text, encoding="utf-8")
    assert [part for part in parts if part not in error(file)] == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in error(tmp_path / "none.yaml")


def test_stacks_that_search_differently_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    own = load_settings("8cpu-16gb")
    other = own.model_copy(update={"load": own.load.model_copy(update={"latency_ms": 300.0})})
    monkeypatch.setattr("sweep.axes.load_settings", lambda stack: other if stack == "8cpu-16gb" else own)
    message = error(stacks=["2cpu-4gb", "8cpu-16gb"])
    assert "differ in shapebench:objective, so" in message
    assert message.endswith("make them equal, or give a latency limit and errors in each objective (--p99)")
    assert len(candidates(stacks=["2cpu-4gb", "8cpu-16gb"], objectives=[{"p99": "400ms"}])) == 2


def test_stacks_whose_loads_differ_are_told_the_key_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own = load_settings("8cpu-16gb")
    changed = {"duration_s": own.load.duration_s + 60, "latency_ms": 300.0}
    other = own.model_copy(update={"load": own.load.model_copy(update=changed)})
    monkeypatch.setattr("sweep.axes.load_settings", lambda stack: other if stack == "8cpu-16gb" else own)
    message = error(stacks=["2cpu-4gb", "8cpu-16gb"])
    assert "differ in shapebench:objective, shapebench:load.durationS, so" in message
    assert message.endswith("these settings of the load (load in a sweep file)"), "there is no option --load"
    message = error(stacks=["2cpu-4gb", "8cpu-16gb"], objectives=[{"p99": "400ms"}])
    assert "differ in shapebench:load.durationS, so" in message
    assert "each objective" not in message


def test_a_candidate_that_does_not_set_onednn_has_the_key_of_sweeps_from_before_it_could() -> None:
    """Or such a sweep could not be resumed: its journal has the keys."""
    (one,) = candidates(stacks=["local"])
    before = one.model_dump(exclude={"label"})
    assert before["serving"].pop("one_dnn", "missing") is None
    assert one.key == fingerprint(before)
    serving = [one.serving.model_copy(update={"one_dnn": one_dnn}) for one_dnn in (None, True, False)]
    assert len({one.model_copy(update={"serving": each}).key for each in serving}) == 3
