"""What a verdict says to run next. The commands are applied to the stack's file, as Pulumi would apply them."""

import re
import shlex
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from analysis.objective import Objective
from analysis.statistics.deployments import Effects, Mean
from analysis.verdict.next_steps import deployments_to_settle
from analysis.verdict.text import paragraph
from analysis.verdict.verdict import verdict_of
from shapebench.cli import app
from stacks.files import load_config, with_defaults
from stacks.server.serving_variant import Batching
from stacks.settings import parse_settings
from sweep.asked import read_settings

ASKED = Objective(quantile=0.9, latency_ms=2000, errors=0.01)


def applied(commands, stack, before=None):
    """The settings of a stack after `pulumi config`, and the commands that are not of `pulumi config`."""
    config = {key: dict(value) if isinstance(value, dict) else value for key, value in load_config(stack).items()}
    for key, value in (before or {}).items():
        config[key] = config.get(key, {}) | value
    others = []
    for command in commands:
        words = shlex.split(command)
        assert words[-2:] == ["--stack", stack], command
        words = words[:-2]
        if words[:2] != ["pulumi", "config"]:
            others.append(" ".join(words))
            continue
        path = [word for word in words[3:] if word != "--path"]
        section, *keys = path[0].split(".")
        assert bool(keys) == ("--path" in words), "a nested key needs --path"
        at = config
        for key in (section, *keys)[:-1]:
            at = at.setdefault(key, {})
        last = (section, *keys)[-1]
        if words[2] == "rm":
            at.pop(last, None)
        else:
            at[last] = _typed(path[1]) if keys else path[1]
    values = {key.removeprefix("shapebench:"): value for key, value in config.items() if key.startswith("shapebench:")}
    return parse_settings(with_defaults(values)), others


def _typed(text):
    """As Pulumi types a value that is set with --path."""
    if text in {"true", "false"}:
        return text == "true"
    return float(text) if re.fullmatch(r"[\d.]+", text) and "." in text else int(text) if text.isdigit() else text


def candidates(command):
    """What a sweep command measures, as the command itself reads it; and how many runs of each."""
    asked = {}

    def read(request, mode):
        asked.update(request.options, mode=mode)
        return 0

    words = shlex.split(command)
    assert words[:2] == ["shapebench", "sweep"], command
    with patch("shapebench.sweeps.command.sweep", read):
        assert CliRunner().invoke(app, words[1:]).exit_code == 0, command
    assert asked.pop("mode") == "run"
    settings = read_settings(None, asked)
    return settings.candidates, settings


def variants(command):
    found, _ = candidates(command)
    return {
        (each.stack, each.serving.inter_op, each.serving.intra_op, each.serving.batching, each.serving.protocol)
        for each in found
    }


def test_a_variant_that_no_run_says_anything_of_is_searched_for_the_objective(silent):
    verdict = verdict_of([silent("8cpu-16gb", "seed")], ASKED)
    assert verdict.ranking == ()
    [step] = verdict.next
    assert step.why.startswith("No run of 8cpu-16gb")
    [command] = step.commands
    [candidate], settings = candidates(command)
    load = candidate.load
    assert (load.quantile, load.latency_ms, load.error_ratio) == (0.9, 2000, 0.01)
    assert (settings.strategy, settings.blocks) == ("grid", 1)


def test_a_service_that_something_else_deploys_is_measured_by_its_own_program(silent):
    serving = silent().manifest.serving.model_copy(update={"server_args": (), "protocol": "v2-rest"})
    [step] = verdict_of([silent(serving=serving)], ASKED).next
    assert step.why == "No run of 8cpu-16gb · v2rest says what its capacity is; search for it."
    assert step.commands == ("pulumi up # in the program of 8cpu-16gb: load profile capacity, a new rerun",)


def test_what_no_run_says_anything_of_is_one_step_and_one_sweep_where_that_measures_nothing_else(silent):
    runs = [silent(stack) for stack in ("8cpu-16gb", "4cpu-8gb")]
    more = [silent(serving=run.manifest.serving.model_copy(update={"inter_op": 2, "protocol": "grpc"})) for run in runs]
    [step] = verdict_of(runs, ASKED).next
    assert "No run of 8cpu-16gb" in step.why
    assert " or 4cpu-8gb" in step.why
    [command] = step.commands
    assert len(variants(command)) == 2
    [step] = verdict_of([*runs, more[0]], ASKED).next
    found = [variants(command) for command in step.commands]
    assert sum(map(len, found)) == 3, "all combinations would be more"


def test_a_sweep_states_each_setting_so_that_it_does_not_matter_what_the_stacks_file_has(silent):
    run = silent()
    serving = run.manifest.serving.model_copy(update={"protocol": "grpc", "inter_op": 7, "intra_op": 3})
    [step] = verdict_of([silent(serving=serving)], ASKED).next
    assert variants(step.commands[0]) == {("8cpu-16gb", 7, 3, None, "grpc")}


def test_batching_with_threads_of_its_own_is_set_in_the_stacks_file(silent, batching):
    serving = silent().manifest.serving.model_copy(update={"batching": batching, "inter_op": 2})
    [step] = verdict_of([silent(serving=serving)], ASKED).next
    settings, others = applied(step.commands, "8cpu-16gb", {"shapebench:load": {"profile": "open", "rateRps": 12}})
    assert (settings.variant.batching, settings.variant.inter_op) == (batching, 2)
    load = settings.load
    assert (load.mode, load.quantile, load.latency_ms, load.error_ratio) == ("capacity", 0.9, 2000, 0.01)
    assert others == ["pulumi up"]


def test_batching_with_the_threads_of_the_shape_is_swept(silent):
    run = silent().manifest
    usual = Batching(max_batch_size=32, batch_timeout_micros=0, max_enqueued_batches=8, num_batch_threads=8)
    [step] = verdict_of([silent(serving=run.serving.model_copy(update={"batching": usual}))], ASKED).next
    [(_, _, _, found, _)] = variants(step.commands[0])
    assert found == usual


def test_a_variant_that_was_deployed_as_published_is_deployed_so_again(silent):
    serving = silent().manifest.serving.model_copy(update={"seed_faithful": True})
    [step] = verdict_of([silent(serving=serving)], ASKED).next
    assert applied(step.commands, "8cpu-16gb")[0].gke.seed_faithful


@pytest.mark.parametrize("one_dnn", [True, False])
def test_a_variant_that_sets_onednn_is_measured_with_the_same_setting(silent, one_dnn):
    serving = silent().manifest.serving.model_copy(update={"one_dnn": one_dnn})
    [step] = verdict_of([silent(serving=serving)], ASKED).next
    assert applied(step.commands, "8cpu-16gb")[0].variant.one_dnn is one_dnn


def test_a_variant_with_bounds_alone_is_searched_and_one_that_misses_is_not(bounded):
    [step] = verdict_of([bounded(low=30), bounded(high=0.4, load="capacity", inter_op=8)], ASKED).next
    assert "Only bounds of the capacity of 8cpu-16gb · interop4 are known" in step.why


def test_what_is_open_on_the_same_nodes_is_settled_by_fresh_deployments_of_those_that_may_be_the_best(searched):
    runs = [
        searched(rps * spread, "8cpu-16gb", at, inter_op=inter_op)
        for inter_op, rps in ((4, 60), (8, 60.5), (2, 20))
        for at, spread in enumerate((0.97, 1.03))
    ]
    verdict = verdict_of(runs, ASKED)
    assert {each.label for each in verdict.best} == {"8cpu-16gb · interop4", "8cpu-16gb · interop8"}
    [step] = verdict.next
    [command] = step.commands
    found, settings = candidates(command)
    assert {each.serving.inter_op for each in found} == {4, 8}
    assert settings.strategy == "grid"
    assert f"About {settings.blocks} more deployment" in step.why


def test_what_is_open_between_stacks_whose_nodes_were_made_once_is_settled_by_other_nodes(searched):
    runs = [searched(rps, stack, 1) for stack, rps in (("8cpu-16gb", 60), ("4cpu-8gb", 60.5), ("2cpu-4gb", 20))]
    verdict = verdict_of(runs, ASKED)
    [step] = verdict.next
    [command] = step.commands
    found, settings = candidates(command)
    assert {each.stack for each in found} == {"8cpu-16gb", "4cpu-8gb"}
    assert (settings.strategy, settings.blocks) == ("grid", 1)
    assert "two more sweeps, each on new nodes" in step.why
    assert "How much nodes of one type differ (6.5 %) is in part an assumption" in paragraph(verdict)


def test_nothing_is_left_to_run_where_the_first_is_good_enough(searched):
    runs = [searched(rps, stack, at) for stack, rps in (("8cpu-16gb", 60), ("2cpu-4gb", 20)) for at in range(4)]
    assert verdict_of(runs, ASKED).next == ()


def test_runs_on_this_machine_are_not_searched_where_runs_of_a_cluster_are(silent):
    local = silent(platform="local")
    assert [step.why.split()[3] for step in verdict_of([local, silent("2cpu-4gb")], ASKED).next] == ["2cpu-4gb"]
    assert len(verdict_of([local], ASKED).next) == 1


def test_without_a_latency_limit_there_is_nothing_to_search_for(silent):
    assert verdict_of([silent()], Objective()).next == ()


@pytest.mark.parametrize(("apart", "sd", "enough"), [(0.10, 0.02, True), (0.0, 0.02, True), (0.0, 0.2, False)])
def test_the_number_of_deployments_is_such_that_the_first_is_then_good_enough(apart, sd, enough):
    costs = {"a": Mean(0.0, sd**2, 3, 1, 1), "b": Mean(apart, sd**2, 3, 1, 1)}
    effects = Effects({}, sd, 0.001, is_prior=True)
    more = deployments_to_settle(costs, "a", ["a", "b"], effects, 0.05)
    assert (more is not None) == enough
    if more is not None:
        # From normal theory: the difference's interval must end below 5 %, with some room for its degrees of freedom.
        half_width = 1.96 * sd * (2 / (1 + more)) ** 0.5
        assert half_width < 0.05 + apart
