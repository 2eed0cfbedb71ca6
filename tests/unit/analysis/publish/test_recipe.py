"""A recipe measures what its runs measured: the project's own settings reader reads it, and its arrivals are theirs."""

import re
from typing import Any

import pytest
import yaml

from analysis.publish.fields import public_manifest
from analysis.publish.pseudonyms import Pseudonyms
from analysis.publish.recipe import recipes
from analysis.results.schema.manifest import Manifest, Repeat, Serving
from bench.stores.synthetic import make_manifest
from loadtest.generator.plan import load_plan, repeat_of
from stacks.files import settings_in
from stacks.load.load_profiles import PROFILES
from stacks.machines.autoscaler import Autoscaler
from stacks.server.serving_variant import Batching, ServingVariant
from stacks.settings import Settings
from tests.unit.analysis.publish.contributed import run_id

LOCAL = {"platform": "local", "stack": "local", "machine_type": "e2-custom-2-4096", "nodes": 1}
EUROPE = {"region": "europe-west1"}
BATCHING = Batching(max_batch_size=8, batch_timeout_micros=0, max_enqueued_batches=8, num_batch_threads=8)


def run(profile: str, **changes: Any) -> Manifest:
    serving = {name: changes.pop(name) for name in Serving.model_fields if name in changes}
    made = make_manifest(PROFILES[profile], **changes)
    return public_manifest(made.model_copy(update={"serving": made.serving.model_copy(update=serving)}), Pseudonyms())


RUNS = {
    "closed": run("smoke"),
    "open": run("open", seed=77, one_dnn=True, cpu_limit=1.5),
    "capacity, as in the published experiment": run("capacity", batching=BATCHING, seed_faithful=True, seed=5),
    "curve": run(
        "curve", autoscaler=Autoscaler(target_percent=60, fewest=1, stabilization_s=60, request_millis=900), seed=3
    ),
    "local": run("laptop", **LOCAL, server="shapebench-embedded", image=None),
    "kubernetes": run("capacity", platform="kubernetes", image=f"docker.io/tensorflow/serving@sha256:{'a' * 64}"),
    "gRPC": run("capacity", protocol="grpc", seed=1),
    "another region": run("capacity", cost=make_manifest(PROFILES["smoke"]).cost.model_copy(update=EUROPE)),
    "another series": run("capacity", machine_type="c3-highcpu-8"),
}


def settings_of(text: str) -> Settings:
    return settings_in(yaml.safe_load(text)["config"])


@pytest.mark.parametrize("manifest", RUNS.values(), ids=RUNS.keys())
def test_the_stack_file_has_the_settings_of_the_run(manifest: Manifest) -> None:
    [recipe] = recipes([manifest])
    assert recipe.stack_file is not None
    settings, serving = settings_of(recipe.stack_file), manifest.serving
    assert settings.platform == manifest.platform
    assert settings.node_shape(manifest.stack) == manifest.shape
    assert settings.variant == ServingVariant(**{name: getattr(serving, name) for name in ServingVariant.model_fields})
    assert settings.load.model_copy(update={"seed": 0}) == manifest.load.model_copy(update={"seed": 0})
    assert settings.region == manifest.cost.region
    assert settings.model.weights == serving.model.weights
    assert settings.seed_faithful == bool(serving.seed_faithful)
    if manifest.platform == "local":
        assert settings.local.server == "embedded"
    else:
        assert settings.deployed_server == (serving.server, serving.server_version)
    asked = settings.autoscaler and settings.autoscaler.model_dump()
    assert asked == (manifest.autoscaler and manifest.autoscaler.model_dump(exclude={"request_millis"}))


def test_each_repeat_of_the_recipe_has_the_arrivals_that_the_run_had() -> None:
    rerun_added = 4_000_000_000
    runs = [
        run("open", run_id=run_id(index), seed=rerun_added + index, repeat=Repeat(group=run_id(1), index=index, of=3))
        for index in (1, 2, 3)
    ]
    [recipe] = recipes(runs)
    settings = settings_of(str(recipe.stack_file))
    assert settings.repeats == 3
    plan = load_plan(settings.load.plan_values)
    assert [getattr(repeat_of(plan, index, settings.rerun), "seed") for index in (1, 2, 3)] == [  # noqa: B009
        each.seed for each in runs
    ]


def test_runs_that_differ_in_their_seed_alone_have_one_recipe_with_the_seed_of_the_last() -> None:
    [recipe] = recipes([run("open", run_id=run_id(number), seed=70 + number) for number in (1, 2)])
    assert len(recipe.manifests) == 2
    assert getattr(settings_of(str(recipe.stack_file)).load, "seed") == 72  # noqa: B009
    assert recipe.missing[0].startswith("The file has the seed of the last run")


def test_pods_and_processes_of_the_generator_are_those_of_the_run() -> None:
    generator = make_manifest(PROFILES["open"]).generator.model_copy(update={"processes": 6, "nodes": ("a", "b", "c")})
    settings = settings_of(str(recipes([run("open", generator=generator)])[0].stack_file))
    assert (settings.pods, settings.processes) == (3, 2)


def test_runs_of_other_settings_or_another_commit_have_a_recipe_of_their_own() -> None:
    first = run("smoke", run_id=run_id(1))
    runs = [first, run("smoke", run_id=run_id(2)), run("laptop"), run("smoke", git_commit="f" * 40)]
    found = recipes(runs)
    assert [len(each.manifests) for each in found] == [2, 1, 1]
    assert found[2].commit == "f" * 40


def test_a_model_of_ones_own_is_named_by_its_digest_and_not_by_its_address() -> None:
    model = make_manifest(PROFILES["smoke"]).serving.model.model_copy(update={"name": "bert", "weights": "own"})
    [recipe] = recipes([run("smoke", model=model)])
    assert settings_of(str(recipe.stack_file)).model.name == "bert"
    assert any("models/bert" in each and model.digest in each for each in recipe.missing)


def test_a_private_image_is_missing_and_is_not_in_the_stack_file() -> None:
    [recipe] = recipes([run("smoke", image="acme.example/serving:1.0", server="acme.example/serving")])
    assert "image-1" not in str(recipe.stack_file)
    assert any("not published" in each for each in recipe.missing)


def test_of_a_service_that_another_program_deploys_there_is_no_stack_file() -> None:
    [recipe] = recipes([run("smoke", platform="service", server_args=())])
    assert recipe.stack_file is None
    assert re.search("program is not part of this project", recipe.missing[0])
