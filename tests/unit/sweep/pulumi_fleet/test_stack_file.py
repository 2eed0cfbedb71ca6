"""The configuration of one update."""

from pathlib import Path

import pytest
import yaml

from loadtest.generator.plan import load_plan, repeat_of
from stacks import files
from stacks.files import load_config, load_settings, settings_in
from stacks.load.load_profiles import CapacitySearch
from stacks.server.serving_variant import Batching, ServingSettings
from stacks.sweep_place import SweepPlace
from sweep.candidates import Candidate
from sweep.pulumi_fleet.stack_file import config_for, write_stack_file
from sweep.tasks import Length, Measure

LOAD = CapacitySearch(
    quantile=0.95, latency_ms=300, error_ratio=0.01, lowest_rps=1, highest_rps=500, precision=0.1, max_in_flight=64,
    warmup_s=5, duration_s=300,
)  # fmt: skip
SWEEP = "20261130-020000"
SERVING = ServingSettings(
    protocol="grpc",
    intra_op=1,
    inter_op=3,
    batching=Batching(max_batch_size=8, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2),
)


def task(stack: str = "local", *, server: str | None = None, block: int = 1, length: Length = Length.full) -> Measure:
    return Measure(Candidate(label="c", stack=stack, serving=SERVING, server=server, load=LOAD), block, length)


def settings_of(measure: Measure, hours: float | None = None):
    return settings_in(config_for(measure, load_config(measure.stack), SWEEP, "/results", hours))


@pytest.mark.parametrize("stack", ["local", "kubernetes", "8cpu-16gb"])
def test_an_update_has_the_candidate_and_else_what_the_stack_has(stack: str) -> None:
    settings, own = settings_of(task(stack)), load_settings(stack)
    assert (settings.serving, settings.load, settings.results) == (SERVING, LOAD, "/results")
    assert settings.fresh_deployment
    assert settings.repeats == 1
    same = ("platform", "shape", "model", "local", "kubernetes", "region")
    assert [getattr(settings, name) for name in same] == [getattr(own, name) for name in same]
    assert settings.gke == own.gke.model_copy(update={"fresh_nodes": stack == "8cpu-16gb"})


@pytest.mark.parametrize(
    ("machine_type", "written", "fresh"),
    [
        ("e2-highcpu-8", {}, True),
        ("e2-highcpu-8", {"freshNodes": False}, False),
        ("n2-highcpu-8", {}, False),
        ("n2-highcpu-8", {"freshNodes": True}, True),
    ],
)
def test_where_cpus_come_by_chance_each_block_has_other_nodes_unless_the_file_says_no(
    machine_type: str, written: dict[str, bool], *, fresh: bool
) -> None:
    own = load_config("8cpu-16gb") | {"shapebench:shape": {"machineType": machine_type, "nodes": 2}}
    settings = settings_in(config_for(task("8cpu-16gb"), own | {"shapebench:gke": written}, SWEEP, "/results", None))
    assert settings.fresh_nodes is fresh
    assert (settings.machine_token is not None) is fresh


def test_the_server_replaces_the_one_of_the_platform() -> None:
    assert settings_of(task(server="embedded")).local.server == "embedded"
    image = "tensorflow/serving:2.18.0"
    kubernetes = settings_of(task("kubernetes", server=image)).kubernetes
    assert (kubernetes.serving_image, kubernetes.model_uri) == (image, load_settings("kubernetes").kubernetes.model_uri)
    assert settings_of(task("2cpu-4gb", server=image)).gke.serving_image == image


def test_the_server_replaces_the_image_that_the_stack_names_and_leaves_its_arguments() -> None:
    server = {"image": "a:1", "args": ["{model}"], "protocol": "tf-serving", "ports": {"rest": 8080, "grpc": 8081}}
    own = load_config("kubernetes") | {"shapebench:server": server}
    serving = ServingSettings(protocol="grpc", inter_op=3)
    candidate = Candidate(label="c", stack="kubernetes", serving=serving, server="a:2", load=LOAD)
    settings = settings_in(config_for(Measure(candidate, 1, Length.full), own, SWEEP, "/results", None))
    assert (settings.server.image, settings.server.args) == ("a:2", ("{model}",))
    assert settings.kubernetes == load_settings("kubernetes").kubernetes


def test_the_lease_outlasts_the_sweep() -> None:
    assert settings_of(task("2cpu-4gb"), hours=3.2).gke.expires_after_h == 5
    assert settings_of(task("2cpu-4gb"), hours=9999).gke.expires_after_h == 336
    assert settings_of(task("2cpu-4gb")).gke.expires_after_h == load_settings("2cpu-4gb").gke.expires_after_h


def test_a_short_run_has_the_same_objective_and_takes_less_time() -> None:
    short, full = settings_of(task(length=Length.short)).load, settings_of(task()).load
    assert short.total_s < full.total_s
    assert short.model_copy(update={"precision": full.precision, "duration_s": full.duration_s}) == full


def test_an_update_names_the_sweep_its_block_and_the_candidate() -> None:
    measure = task(block=3)
    place = settings_of(measure).sweep
    assert place == SweepPlace(sweep=SWEEP, block=3, candidate=measure.candidate.key)
    assert load_settings(measure.stack).sweep is None


def test_candidates_have_the_same_arrivals_in_a_block_and_others_in_the_next() -> None:
    seeds = [
        repeat_of(load_plan(settings.load.plan_values), 1, settings.rerun).seed
        for settings in map(settings_of, (task(), task("2cpu-4gb"), task(block=2)))
    ]
    assert seeds[0] == seeds[1] != seeds[2]


def test_the_file_of_an_update_keeps_secrets_and_their_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STACKS_DIR", tmp_path)
    own = {"encryptionsalt": "v1:salt", "config": {"gcp:credentials": {"secure": "v1:abc"}}}
    (tmp_path / "Pulumi.x.yaml").write_text(yaml.safe_dump(own))
    written = tmp_path / "of-the-sweep.yaml"
    write_stack_file(written, "x", load_config("x") | {"shapebench:rerun": "s block 1"})
    assert yaml.safe_load(written.read_text()) == own | {"config": own["config"] | {"shapebench:rerun": "s block 1"}}
    assert written.stat().st_mode & 0o077 == 0
    assert yaml.safe_load((tmp_path / "Pulumi.x.yaml").read_text()) == own
