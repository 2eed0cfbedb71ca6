import yaml
from typer.testing import CliRunner

from shapebench.cli import app
from stacks.load.load_profiles import PROFILES, TrafficCurve
from tests.unit.stacks.test_settings import parse


def invoke(*arguments: str):
    return CliRunner().invoke(app, ("curve", *arguments))


def load_of(*arguments: str) -> TrafficCurve:
    """The load as a stack file with what is printed has it."""
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    load = parse(load=yaml.safe_load(result.stdout)["shapebench:load"]).load
    assert isinstance(load, TrafficCurve)
    return load


def test_a_day_becomes_a_load_with_a_rate_each_15_seconds():
    load = load_of("--peak", "800", "--night", "100", "--peak-at", "12:00", "--over", "20min", "--times", "0.1")
    assert load.duration_s == 1200
    assert len(load.rates_rps) == 81
    assert load.rates_rps[0] == load.rates_rps[-1] == 10
    assert max(load.rates_rps) == load.rates_rps[40] == 80
    assert load.arrivals == PROFILES["curve"].arrivals == "poisson"


def test_a_file_is_compressed_as_it_is(tmp_path):
    day = tmp_path / "day.csv"
    day.write_text("time,requests/s\n" + "".join(f"{hour}:00,{10 + hour}\n" for hour in range(0, 24, 3)))
    load = load_of("--traffic", str(day), "--over", "4h")
    assert load.duration_s == 4 * 3600
    # 9:00 of the day is 1 h 30 min of four hours.
    assert load.rates_rps[round(len(load.rates_rps) * 9 / 24)] == 19


def test_what_is_wrong_is_one_error_line():
    for arguments, said in (
        (("--peak", "8", "--night", "1", "--over", "soon"), "--over is 'soon', which is not a duration"),
        (("--peak", "8", "--night", "1", "--over", "9min", "--times", "0"), "--times is 0, which leaves no traffic"),
        (("--over", "9min"), "the traffic of the day is not known; give --traffic day.csv, or both --peak"),
    ):
        result = invoke(*arguments)
        assert result.exit_code != 0
        assert said in result.stderr
