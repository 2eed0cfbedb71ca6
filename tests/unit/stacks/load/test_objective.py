"""The objective in a stack's file is what its capacity search is for."""

import pytest

from stacks.explain import SettingsError
from stacks.files import load_config, with_defaults
from stacks.load.load_profiles import PROFILES
from stacks.settings import Settings, parse_settings


def settings(objective: dict | None = None, **load: object) -> Settings:
    values = {key.removeprefix("shapebench:"): value for key, value in load_config("8cpu-16gb").items()}
    del values["objective"]
    if objective is not None:
        values["objective"] = objective
    values["load"] = {key: value for key, value in ({"profile": "capacity"} | load).items() if value is not None}
    return parse_settings(with_defaults({key: value for key, value in values.items() if ":" not in key}))


@pytest.mark.parametrize(
    ("objective", "search"),
    [
        (None, (0.99, 500, 0.001)),
        ({"p99": "0.4s"}, (0.99, 400, 0.001)),
        ({"p90": "2s", "errors": "1%"}, (0.9, 2000, 0.01)),
        ({"p999": "750 ms", "errors": "0.2 %"}, (0.999, 750, 0.002)),
        ({"errors": "5%"}, (0.99, 500, 0.05)),
    ],
)
def test_a_search_is_for_the_objective_that_the_stack_states_and_the_defaults_of_the_rest(
    objective: dict | None, search: tuple[float, float, float]
) -> None:
    load = settings(objective).load
    assert (load.quantile, load.latency_ms, load.error_ratio) == pytest.approx(search)


def test_the_default_objective_is_that_of_the_profile() -> None:
    assert settings().load == PROFILES["capacity"]


def test_an_objective_changes_no_other_load() -> None:
    assert settings({"p90": "2s"}, profile="seed").load == PROFILES["seed"]


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"p99": "400"}, "shapebench:objective.p99: '400' is not a latency above 0 with a unit"),
        ({"p99": 400}, "Give one such as 400ms"),
        ({"p99": "0ms"}, "is not a latency above 0 with a unit"),
        ({"p99": "11m"}, "is not a latency above 0 with a unit"),
        ({"p99": "700s"}, "more than ten minutes"),
        ({"p99": "1s", "p90": "1s"}, "this one has p90 and p99"),
        ({"errors": "0%"}, "is outside the range of an error limit"),
        ({"errors": "60%"}, "is outside the range of an error limit"),
        ({"errors": "some"}, "is not a share"),
        ({"errors": "0.1"}, "shapebench:objective.errors: '0.1' has no %, so it may mean 0.1% or 10%; give one of"),
        ({"errors": 0.001}, "shapebench:objective.errors: '0.001' has no %, so it may mean 0.001% or 0.1%; give one"),
        ({"errors": 1}, "shapebench:objective.errors: '1' has no %, so it may mean 1% or 100%; give one of these"),
        ({"p50": "1s"}, "shapebench:objective.p50 is not a setting"),
    ],
)
def test_a_wrong_objective_is_an_error_that_names_its_key_and_the_fix(objective: dict, said: str) -> None:
    with pytest.raises(SettingsError) as failure:
        settings(objective)
    assert said in str(failure.value)
    assert "load." not in str(failure.value)


@pytest.mark.parametrize(
    ("key", "instead"), [("quantile", "p99 to 400ms"), ("latencyMs", "p99 to 400ms"), ("errorRatio", "errors to 0.1%")]
)
def test_a_profile_cannot_state_the_objective_as_well(key: str, instead: str) -> None:
    with pytest.raises(SettingsError, match=rf"shapebench:load.{key} is set, but .*shapebench:objective.{instead}"):
        settings(**{key: 0.9})


def test_a_load_without_a_profile_states_all_of_its_values_itself() -> None:
    load = PROFILES["capacity"].model_copy(update={"latency_ms": 300.0})
    values = load.model_dump(by_alias=True)
    assert settings({"p90": "2s"}, profile=None, **values).load == load
