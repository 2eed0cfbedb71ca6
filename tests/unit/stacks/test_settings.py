"""A stack's settings: each wrong key is one sentence that names it, what follows and the fix."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.explain import SettingsError
from stacks.files import project_defaults
from stacks.load.load_profiles import PROFILES
from stacks.settings import Settings, parse_settings

GOOD = {
    "platform": "local",
    "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
    "serving": {"protocol": "rest", "interOp": 2},
    "load": {"profile": "smoke"},
}


def parse(**changes: object) -> Settings:
    values = project_defaults() | GOOD | changes
    return parse_settings({key: value for key, value in values.items() if value is not None})


def complaint(**changes: object) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(**changes)
    return str(caught.value)


def test_a_good_stack_parses_to_a_frozen_value():
    settings = parse()
    assert settings.serving.inter_op == 2
    with pytest.raises(ValueError, match="frozen"):
        settings.serving.inter_op = 4


@pytest.mark.parametrize("key", ["platform", "shape", "serving", "load"])
def test_a_missing_key_is_named_with_what_belongs_there(key):
    said = complaint(**{key: None})
    assert said.startswith(f"shapebench:{key} is missing. ")
    assert len(said) > len(f"shapebench:{key} is missing. ")


def test_every_wrong_key_is_named_at_once():
    said = complaint(serving={"protocol": "rest", "interOp": 0}, rerun=3)
    assert len(said.splitlines()) == 2
    assert "shapebench:serving.interOp is 0" in said
    assert "shapebench:rerun is 3" in said


def serving(**changes: object) -> dict[str, object]:
    return {"serving": {"protocol": "rest", "interOp": 2} | changes}


def batching(**changes: object) -> dict[str, object]:
    one = {"maxBatchSize": 1, "batchTimeoutMicros": 0, "maxEnqueuedBatches": 1, "numBatchThreads": 1}
    return serving(batching=one | changes)


def local(**changes: object) -> dict[str, object]:
    return {"local": {"server": "auto", "restPort": 9000, "grpcPort": 9001, "startTimeoutS": 9} | changes}


def smoke(**changes: object) -> dict[str, object]:
    return {"load": {"profile": "smoke"} | changes}


def shape(machine_type: str, nodes: int) -> dict[str, object]:
    return {"shape": {"machineType": machine_type, "nodes": nodes}}


def test_repeats_are_not_part_of_the_load_profile():
    once, often = parse(), parse(**smoke(repeats=5))
    assert (once.repeats, often.repeats) == (1, 5)
    assert often.load == parse(**smoke()).load


def test_fresh_deployments_are_not_part_of_the_load_profile():
    kept, fresh = parse(), parse(**smoke(freshDeployment=True))
    assert (kept.fresh_deployment, fresh.fresh_deployment) == (False, True)
    assert fresh.load == parse(**smoke()).load


def test_processes_are_not_part_of_the_load_profile():
    one, several = parse(), parse(**smoke(processes=2))
    assert (one.processes, several.processes) == (1, 2)
    assert several.load == parse(**smoke()).load


WRONG = [
    (serving(interOp=0), "serving.interOp is 0", "Give 2, 4 or 8"),
    (serving(intraOp=0), "serving.intraOp is 0", "Leave it out"),
    (serving(interop=2), "serving.interop is not a setting", "did you mean interOp?"),
    (smoke(repeats=0), "load.repeats is 0", "Give 1 to 100"),
    (smoke(repeats=1.5), "load.repeats is 1.5", "Give 1 to 100"),
    (smoke(freshDeployment="often"), "load.freshDeployment is 'often'", "Give true or false"),
    (
        {"load": {"profile": "open", "rateRps": 1000, "durationS": 86_400}},
        "load would send 86,417,500 requests, but a run has at most 25,000,000",
        "give a shorter durationS, or lower rates",
    ),
    (
        {"load": {"profile": "curve", "ratesRps": [0, 1000, 0], "durationS": 86_400}},
        "load would send 43,220,000 requests, but a run has at most 25,000,000",
        "give a shorter durationS, or lower rates",
    ),
    ({"load": {"profile": "curve", "ratesRps": [0, 0]}}, "load: ratesRps are all 0", "give requests per second above"),
    ({"load": {"profile": "curve", "ratesRps": [3]}}, "load.ratesRps", "Give two or more, such as [2, 8, 2]"),
    ({"load": {"profile": "curve", "ratesRps": [3, -1]}}, "load.ratesRps", "Give two or more, such as [2, 8, 2]"),
    (
        {"load": {"profile": "curve", "ratesRps": [0, 20_000], "processes": 2, "durationS": 60}},
        "load.ratesRps go up to 20000, but 2 generator processes send at most about 12,000 requests/s over rest",
        "that come to 4 at least",
    ),
    (smoke(processes=0), "load.processes is 0", "a run whose generator was the limit says so"),
    (smoke(processes=5), "load.processes is 5, but load.users is 4", "give fewer processes"),
    (
        {"load": {"profile": "open", "maxInFlight": 1, "processes": 2}},
        "load.processes is 2, but load.maxInFlight",
        "fewer",
    ),
    (
        {"load": {"profile": "capacity", "processes": 2}},
        "load.processes is 2, but a capacity search",
        "leave load.processes out",
    ),
    (
        {"load": {"profile": "capacity", "pods": 2}},
        "load.pods is 2, but a capacity search",
        "leave load.pods out",
    ),
    (
        smoke(processes=2, pods=3),
        "load.pods is 3, but load.users is 4, so some of the 6 processes would send nothing",
        "give fewer pods",
    ),
    (
        smoke(pods=2),
        "load.pods is 2, but on the platform local the generator is no pod",
        "set load.processes",
    ),
    (
        {"load": {"profile": "open", "rateRps": 20_000, "durationS": 60, "processes": 2}},
        "load.rateRps is 20000, but 2 generator processes send at most about 12,000 requests/s over rest",
        "that come to 4 at least",
    ),
    (
        {"autoscaler": {"targetPercent": 60}, "load": {"profile": "curve"}},
        "autoscaler is set, but the platform local has one server",
        "remove it",
    ),
    (
        {"platform": "gke", "autoscaler": {"targetPercent": 60}},
        "autoscaler is set, but load.mode is ",
        "set load.profile to curve, or remove it",
    ),
    (
        {"platform": "gke", "autoscaler": {"targetPercent": 60, "fewest": 9}, "load": {"profile": "curve"}},
        "autoscaler.fewest is 9, but shape.nodes is 1",
        "give that at most",
    ),
    ({"autoscaler": {"targetPercent": 0}}, "autoscaler.targetPercent is 0", "Give the CPU target of `shapebench day`"),
    ({"autoscaler": {"targetPercent": 60, "fewest": 0}}, "autoscaler.fewest is 0", "0 would serve nothing"),
    ({"autoscaler": {"fewest": 2}}, "autoscaler.targetPercent is missing", "such as 60"),
    (
        {"autoscaler": {"targetPercent": 60, "stabilizationS": -1}},
        "autoscaler.stabilizationS is -1",
        "Give 300, Kubernetes' default",
    ),
    (serving(cpuLimit=0), "serving.cpuLimit is 0", "Give 1.5 or 1500m"),
    (serving(cpuLimit=-1), "serving.cpuLimit is -1", "leave it out for no limit"),
    (serving(cpuLimit="0m"), "serving.cpuLimit is '0m'", "Give 1.5 or 1500m"),
    (serving(cpuLimit="1.5Gi"), "serving.cpuLimit is '1.5Gi'", "Give 1.5 or 1500m"),
    (serving(cpuLimit=True), "serving.cpuLimit is True", "Give 1.5 or 1500m"),
    (serving(cpuLimit=1), "serving.cpuLimit is 1, but the platform local", "leave it out"),
    (
        serving(oneDnn="on"),
        "serving.oneDnn is 'on', which is neither true nor false",
        "leave it out for TensorFlow's default",
    ),
    (serving(oneDnn=1), "serving.oneDnn is 1", "Give true or false"),
    (serving(protocol="soap"), "serving.protocol is 'soap'", "Give rest or grpc"),
    (
        serving(batching={"maxBatchSize": 8}),
        "serving.batching.numBatchThreads is missing",
        "as many as the shape has",
    ),
    (batching(maxBatchSize=4097), "serving.batching: maxBatchSize is 4097", "give 4096 at most"),
    (batching(batchTimeoutMicros=10_000_001), "serving.batching: batchTimeoutMicros is 10000001", "10000000 at most"),
    (batching(numBatchThreads=1025), "serving.batching: numBatchThreads is 1025", "give 1024 at most"),
    (batching(maxBatchSize=0), "serving.batching.maxBatchSize is 0", "Give 1 to 4096"),
    ({"loda": {}}, "loda is not a setting", "did you mean load?"),
    (smoke(profile="sede"), "load.profile is 'sede'", "give one of seed, laptop, smoke"),
    (smoke(users=0), "load.users is 0", "Give 1 to 10000"),
    (smoke(users=400), "load: 400 users", "give a longer durationS"),
    (shape("e2-medium", 1), "shape.machineType: 'e2-medium'", "e2-custom-<vCPUs>-<MiB> has 2, 4, …"),
    (shape("e2-custom-2-4096", 2), "shape.nodes is 2", "give 1"),
    ({"region": "the moon"}, "region is 'the moon'", "us-central1"),
    (
        local(server="triton"),
        "local.server: 'triton' is no server",
        "give one of auto, embedded, ",
    ),
    (local(grpcPort=9000), "local: restPort and grpcPort", "give two ports"),
    (local(restPort=80), "local.restPort is 80", "from 1024 on"),
    ({"model": {"weights": "pretrained"}}, "model.weights is 'pretrained'", "imagenet"),
]


@pytest.mark.parametrize(("changes", "wrong", "fix"), WRONG)
def test_a_wrong_value_names_key_and_fix(changes, wrong, fix):
    said = complaint(**changes)
    assert f"shapebench:{wrong}" in said
    assert fix in said


def test_text_where_a_number_belongs_is_not_coerced():
    assert "shapebench:serving.interOp is '8'" in complaint(serving={"protocol": "rest", "interOp": "8"})


def test_a_profile_is_taken_whole_and_an_override_changes_only_itself():
    assert parse(load={"profile": "seed"}).load == PROFILES["seed"]
    assert parse(load={"profile": "seed", "users": 15}).load == PROFILES["seed"].model_copy(update={"users": 15})


def test_a_load_can_be_spelt_out_without_a_profile():
    spelt = PROFILES["smoke"].model_dump(by_alias=True)
    assert parse(load=spelt).load == PROFILES["smoke"]


@pytest.mark.parametrize(
    ("profile", "mode"), [("seed", "closed"), ("open", "open"), ("curve", "curve"), ("capacity", "capacity")]
)
def test_each_load_mode_has_a_profile(profile, mode):
    assert parse(load={"profile": profile}).load.mode == mode


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (
            {"profile": "open", "rateRps": 0},
            "shapebench:load.rateRps is 0, which is not above 0. Requests per",
        ),
        (
            {"profile": "open", "users": 4},
            (
                "shapebench:load.users is not a setting, so it would change nothing; the settings of load are mode,"
                " warmupS, durationS, arrivals, seed, maxInFlight, rateRps, rampS"
            ),
        ),
        ({"profile": "open", "rate": 4}, "shapebench:load.rate is not a setting, so it would change nothing; did you"),
        ({"profile": "open", "rampS": 65}, "shapebench:load: rampS is 65 and durationS, which includes it, is 65"),
        (
            {"profile": "open", "mode": "closed"},
            "shapebench:load.mode is 'closed', but the profile 'open' has the mode 'open'",
        ),
        ({"profile": "capacity", "highestRps": 0.1}, "shapebench:load: highestRps is 0.1 and lowestRps 0.5"),
        (
            {"mode": "opened"},
            "shapebench:load.mode is 'opened', and there is no such mode; give one of 'closed', 'open'",
        ),
        ({"users": 3}, "shapebench:load.mode is missing, so it is not known which settings apply; set"),
    ],
)
def test_a_wrong_load_names_the_key_of_its_own_mode(load, said):
    with pytest.raises(SettingsError) as caught:
        parse(load=load)
    assert str(caught.value).startswith(said)


def test_intra_op_defaults_to_the_vcpus_of_the_shape():
    assert parse(platform="gke", shape={"machineType": "e2-custom-8-16384", "nodes": 2}).variant.intra_op == 8
    assert parse(serving={"protocol": "rest", "interOp": 2, "intraOp": 1}).variant.intra_op == 1


@pytest.mark.parametrize(
    ("written", "vcpus", "millis"), [("1500m", 1.5, 1500), ("1.5", 1.5, 1500), (1.5, 1.5, 1500), (2, 2.0, 2000)]
)
def test_a_cpu_limit_is_a_kubernetes_quantity_and_no_more_than_the_node(written, vcpus, millis):
    variant = parse(platform="gke", **serving(cpuLimit=written)).variant
    assert (variant.cpu_limit, variant.cpu_limit_millis) == (vcpus, millis)


def test_without_a_setting_there_is_no_cpu_limit():
    assert (parse().variant.cpu_limit, parse().variant.cpu_limit_millis) == (None, None)


@pytest.mark.parametrize(("written", "one_dnn"), [({}, None), ({"oneDnn": True}, True), ({"oneDnn": False}, False)])
def test_onednn_is_left_to_tensorflow_unless_the_stack_says_otherwise(written, one_dnn):
    assert parse(**serving(**written)).variant.one_dnn is one_dnn


@pytest.mark.parametrize("written", ["2001m", 2.5, 1500])
def test_a_cpu_limit_above_the_node_is_refused(written):
    said = complaint(platform="gke", **serving(cpuLimit=written))
    assert "shapebench:serving.cpuLimit is " in said
    assert "a node (e2-custom-2-4096) has 2 vCPUs, so it would limit nothing; give 2 at most" in said


@pytest.mark.parametrize("platform", ["gke", "kubernetes"])
def test_a_cpu_limit_is_refused_where_the_pod_is_deployed_without_limits(platform):
    section = project_defaults()[platform] | {"seedFaithful": True}
    said = complaint(platform=platform, **serving(cpuLimit=1), **{platform: section})
    assert f"shapebench:serving.cpuLimit is 1, but {platform}.seedFaithful deploys without limits" in said
    assert parse(platform=platform, **serving(), **{platform: section}).variant.cpu_limit is None


def test_the_seed_profile_is_the_published_experiment():
    seed = PROFILES["seed"]
    assert (seed.users, seed.spawn_rate_per_s, seed.wait_s, seed.ramp_s, seed.hold_s) == (150, 1, 1, 150, 150)


@given(
    st.dictionaries(
        st.text(min_size=1), st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers())
    )
)
def test_any_values_are_parsed_or_explained_by_a_settings_error(values):
    with contextlib.suppress(SettingsError):
        parse_settings(project_defaults() | GOOD | values)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"platform": "aws"}, "platform is 'aws', which is none of 'local', 'kubernetes' or 'gke'. "),
        ({"shape": "e2-standard-2"}, "shape is 'e2-standard-2', which is not a section with keys. "),
        ({"shape": {"machineType": 2, "nodes": 1}}, "shape.machineType is 2, which is not text. "),
        (
            {"shape": {"machineType": "e2-standard-2", "nodes": 1.5}},
            "shape.nodes is 1.5, which is not a whole number. ",
        ),
        ({"shape": {"machineType": "e2-custom-8-16", "nodes": 1}}, "did you mean e2-custom-8-16384? "),
        (
            {"serving": {"protocol": "rest", "interOp": "two"}},
            "interOp is 'two', which is not a whole number; write it ",
        ),
        (
            {"serving": {"protocol": "rest", "interOp": "2"}},
            "interOp is '2', which is not a whole number; write it without quotes. ",
        ),
        ({"serving": {"protocol": "rest", "interOp": -1}}, "serving.interOp is -1, which is below 1. "),
        (
            {"serving": {"protocol": "http", "interOp": 2}},
            "protocol is 'http', which is none of 'rest', 'grpc', 'v2-rest', 'v2-binary', 'v2-grpc' or 'image'. ",
        ),
        (
            {"serving": {"protocol": "rest", "interOp": 2, "batching": True}},
            "is True, which is not a section with keys. ",
        ),
        (
            {"load": {"profile": "open", "rateRps": "2,000"}},
            "rateRps is '2,000', which is not a number; write it without separators or units, such as 2000. ",
        ),
        (
            {"load": {"profile": "open", "durationS": "5m"}},
            "durationS is '5m', which is not a number; write it without",
        ),
        ({"load": {"profile": "open", "freshDeployment": "yes"}}, "is 'yes', which is neither true nor false. "),
        ({"load": {"profile": ["open"]}}, "profile is ['open'], which is no load profile; give one of "),
        ({"load": "open"}, "load is 'open', which is not a section with keys. "),
        ({"objective": {"p99": 400, "errors": "1%"}}, "p99 is 400, which is not text. A latency limit with its unit. "),
        ({"objective": {"p99": "1s", "errors": 1}}, "objective.errors: '1' has no %, so it may mean 1% or 100%; "),
        ({"results": ""}, "results is '', which is empty. "),
        ({"region": "us-central1-a"}, "region is 'us-central1-a', which is not of the form that is expected. "),
        ({"rerun": 3}, "rerun is 3, which is not text. "),
        (
            {"local": {"server": "auto", "restPort": 80, "grpcPort": 8500, "startTimeoutS": 9}},
            "local.restPort is 80, which is below 1024. ",
        ),
        (
            {"local": {"server": "auto", "restPort": 8501, "grpcPort": 70000, "startTimeoutS": 9}},
            "local.grpcPort is 70000, which is above 65535. ",
        ),
    ],
)
def test_a_wrong_value_is_explained_in_plain_words(changed, said):
    message = complaint(**changed)
    assert said in message
    assert not re.search(r"[Ii]nput should|instance of|valid (?:string|integer|dictionary)|pattern", message)
