"""What a verdict says to run next. The commands are applied to the stack's file, as Pulumi would apply them."""

import re
import shlex

import pytest

from analysis.objective import Objective
from analysis.statistics.deployments import Effects, Mean
from analysis.verdict.next_steps import deployments_to_settle
from analysis.verdict.verdict import verdict_of
from stacks.files import load_config, with_defaults
from stacks.settings import parse_settings

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


def test_a_variant_that_no_run_says_anything_of_is_searched_for_the_objective(silent):
    verdict = verdict_of([silent("8cpu-16gb", "seed")], ASKED)
    assert verdict.ranking == ()
    [step] = verdict.next
    assert step.why.startswith("No run of 8cpu-16gb")
    settings, others = applied(step.commands, "8cpu-16gb")
    load = settings.load
    assert (load.mode, load.quantile, load.latency_ms, load.error_ratio) == ("capacity", 0.9, 2000, 0.01)
    assert others == ["pulumi up"]


def test_settings_of_the_former_load_profile_do_not_stay(silent, manifest):
    overridden = manifest(load="open").load.model_copy(update={"rate_rps": 12.0})
    [step] = verdict_of([silent(load=overridden)], ASKED).next
    settings, _ = applied(step.commands, "8cpu-16gb", {"shapebench:load": {"profile": "open", "rateRps": 12}})
    assert settings.load.mode == "capacity"


def test_of_several_variants_of_a_stack_each_is_set_before_it_is_searched(silent, manifest, batching):
    plain, batched = silent(), silent()
    serving = batched.manifest.serving.model_copy(update={"batching": batching, "inter_op": 2})
    batched = silent(serving=serving)
    steps = verdict_of([plain, batched], ASKED).next
    found = [applied(step.commands, "8cpu-16gb", {"shapebench:serving": {"batching": {}}})[0] for step in steps]
    assert [each.variant.batching for each in found] == [None, batching]
    assert [each.variant.inter_op for each in found] == [4, 2]


def test_a_variant_that_was_deployed_as_published_is_deployed_so_again(silent):
    plain, faithful = silent(), silent()
    serving = faithful.manifest.serving.model_copy(update={"seed_faithful": True})
    steps = verdict_of([plain, silent(serving=serving)], ASKED).next
    assert [applied(step.commands, "8cpu-16gb")[0].gke.seed_faithful for step in steps] == [False, True]


def test_a_variant_with_bounds_alone_is_searched_and_one_that_misses_is_not(bounded):
    [step] = verdict_of([bounded(low=30), bounded(high=0.4, load="capacity", inter_op=8)], ASKED).next
    assert "Only bounds of the capacity of 8cpu-16gb · interop4 are known" in step.why


def test_what_is_open_is_settled_by_fresh_deployments_of_those_that_may_be_the_best(searched):
    runs = [
        searched(rps * spread, stack, at)
        for stack, rps in (("8cpu-16gb", 60), ("4cpu-8gb", 60.5), ("2cpu-4gb", 20))
        for at, spread in enumerate((0.97, 1.03))
    ]
    verdict = verdict_of(runs, ASKED)
    assert {each.label for each in verdict.best} == {"8cpu-16gb", "4cpu-8gb"}
    [step] = verdict.next
    commands = {stack: [each for each in step.commands if each.endswith(stack)] for stack in ("8cpu-16gb", "4cpu-8gb")}
    assert sum(map(len, commands.values())) == len(step.commands)
    for stack, own in commands.items():
        settings, others = applied(own, stack)
        assert others == ["pulumi up"]
        assert f"About {settings.repeats} more deployment" in step.why


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
