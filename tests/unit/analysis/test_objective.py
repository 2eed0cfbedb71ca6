import pytest

from analysis.objective import Asked, Objective, ObjectiveError, asked, objective_of
from bench.stores.synthetic import make_manifest
from stacks.load.load_profiles import PROFILES


def searched(platform="gke", **changes):
    return make_manifest(PROFILES["capacity"].model_copy(update=changes), platform=platform)


@pytest.mark.parametrize(("text", "ms"), [("400ms", 400), ("0.4s", 400), ("1.5 s", 1500), (".5s", 500)])
def test_a_latency_is_given_with_its_unit(text, ms):
    assert asked({"p99": text}).latency_ms == ms


@pytest.mark.parametrize(("option", "quantile"), [("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)])
def test_the_option_says_of_which_quantile_the_limit_is(option, quantile):
    objective = objective_of(asked({option: "400ms", "errors": None}), [])
    assert (objective.quantile, objective.latency_ms) == (quantile, 400)
    assert objective.options == f"--{option} 400ms --errors 0.1%"


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), (".1 %", 0.001), ("0", 0), ("0%", 0), ("100 %", 1)])
def test_errors_and_the_zone_of_equivalence_are_percentages(text, share):
    assert asked({"errors": text}).errors == pytest.approx(share)
    assert asked({"within": text}).within == pytest.approx(share)


def test_what_is_not_stated_is_that_of_the_searches():
    runs = [searched(quantile=0.9, latency_ms=2000, error_ratio=0.02), make_manifest(PROFILES["seed"])]
    assert objective_of(Asked(), runs) == Objective(quantile=0.9, latency_ms=2000, errors=0.02)
    assert objective_of(asked({"p99": "300ms"}), runs) == Objective(latency_ms=300, errors=0.02)
    assert objective_of(asked({"errors": "1%"}), runs) == Objective(quantile=0.9, latency_ms=2000, errors=0.01)


def test_without_searches_there_is_no_latency_limit_and_a_thousandth_may_fail():
    objective = objective_of(Asked(), [make_manifest(PROFILES["seed"])])
    assert (objective.latency_ms, objective.errors, objective.within) == (None, 0.001, 0.05)


def test_searches_for_several_objectives_need_a_choice_and_the_error_names_the_options():
    runs = [searched(), searched(latency_ms=300)]
    with pytest.raises(ObjectiveError, match=r"--p99 300ms --errors 0.1%, or --p99 500ms --errors 0.1%"):
        objective_of(Asked(), runs)
    assert objective_of(asked({"p99": "300ms"}), runs).latency_ms == 300


def test_searches_on_this_machine_count_only_where_none_ran_on_a_cluster():
    rehearsed = [searched(quantile=0.9, platform="local"), searched(latency_ms=900, error_ratio=0.5, platform="local")]
    assert objective_of(Asked(), [*rehearsed, searched()]).options == "--p99 500ms --errors 0.1%"
    assert objective_of(asked({"p99": "1s"}), [*rehearsed, searched()]).errors == 0.001
    with pytest.raises(ObjectiveError, match="2 objectives"):
        objective_of(Asked(), rehearsed)


def test_a_budget_makes_the_capacity_decide():
    objective = objective_of(asked({"budget": "730 USD"}), [])
    assert objective.goal == "maximise capacity"
    assert objective.budget_usd_hourly == pytest.approx(1)


def test_options_go_before_the_file_whichever_quantile_they_are_of(tmp_path):
    file = tmp_path / "objective.yaml"
    file.write_text("p99: 300ms\nerrors: 0.5%\nbudget: 900\n")
    given = asked({"p90": "400ms"}, file)
    assert (given.quantile, given.latency_ms, given.errors, given.budget_usd_730h) == (0.9, 400, 0.005, 900)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"p99": "400"}, "p99 '400' is not a latency above 0 with a unit; give one such as 400ms"),
        ({"p95": "fast"}, "p95 'fast'"),
        ({"p99": "0ms"}, "p99"),
        ({"p99": "1s", "p90": "1s"}, "p90 and p99 are given"),
        ({"errors": "few"}, "few"),
        ({"errors": "150%"}, "150%"),
        ({"errors": "1"}, "errors '1' has no %, so it may mean 1% or 100%; give one of these"),
        ({"errors": "0.1"}, "errors '0.1' has no %, so it may mean 0.1% or 10%; give one of these"),
        ({"errors": "5"}, "errors '5' has no %, so it is no share; give 5%"),
        ({"within": "0.05"}, "within '0.05' has no %, so it may mean 0.05% or 5%; give one of these"),
        ({"within": "-1"}, "within"),
        ({"budget": "lots"}, "lots"),
        ({"budget": "0"}, "budget"),
    ],
)
def test_an_invalid_option_is_named(given, named):
    with pytest.raises(ObjectiveError, match=named):
        asked(given)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("p99: 400ms\nerrors: 0.001", "errors '0.001' has no %, so it may mean 0.001% or 0.1%"),
        ("p99: 400ms\nwithin: 1", "within '1' has no %, so it may mean 1% or 100%"),
        ("p99: [", "not YAML"),
        ("400ms", "no keys"),
        ("p98: 400ms", r"1 unknown key \(p98\)"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_states_no_objective_is_an_error(tmp_path, text, named):
    file = tmp_path / "objective.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ObjectiveError, match=named):
        asked({}, file)
