import pytest

from analysis.objective import ObjectiveError, objective


@pytest.mark.parametrize(("text", "ms"), [("400ms", 400), ("0.4s", 400), ("1.5 s", 1500), (".5s", 500)])
def test_a_latency_is_given_with_its_unit(text, ms):
    assert objective(p99=text).latency_ms == ms


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), ("0.001", 0.001), ("0", 0), ("100 %", 1)])
def test_errors_are_a_percentage_or_a_share(text, share):
    assert objective(errors=text).errors == pytest.approx(share)


def test_without_options_latency_has_no_limit_and_cost_decides():
    default = objective()
    assert default.latency_ms is None
    assert default.errors == 0.05
    assert default.goal == "minimise cost"


def test_a_budget_makes_throughput_decide():
    asked = objective(budget="730 USD")
    assert asked.goal == "maximise throughput"
    assert asked.budget_usd_hourly == pytest.approx(1)


def test_options_go_before_the_file(tmp_path):
    file = tmp_path / "objective.yaml"
    file.write_text("p99: 300ms\nerrors: 0.5%\nbudget: 900\n")
    asked = objective(p99="400ms", file=file)
    assert (asked.latency_ms, asked.errors, asked.budget_usd_730h) == (400, 0.005, 900)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"p99": "400"}, "400ms"),
        ({"p99": "fast"}, "fast"),
        ({"p99": "0ms"}, "p99"),
        ({"errors": "few"}, "few"),
        ({"errors": "150%"}, "150%"),
        ({"budget": "lots"}, "lots"),
        ({"budget": "0"}, "budget"),
    ],
)
def test_an_invalid_option_is_named(given, named):
    with pytest.raises(ObjectiveError, match=named):
        objective(**given)


@pytest.mark.parametrize(
    ("text", "named"), [("p99: [", "not YAML"), ("400ms", "no keys"), ("p95: 400ms", "p95"), (None, "cannot be read")]
)
def test_a_file_without_known_keys_is_an_error(tmp_path, text, named):
    file = tmp_path / "objective.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ObjectiveError, match=named):
        objective(file=file)
