"""The traffic of a day, from files as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.planning.day.traffic import (
    DAY_S,
    STEP_S,
    TrafficError,
    interpolated_traffic,
    read_traffic,
    second_of_day,
    smooth_traffic,
)

HOURS = [f"{hour:02}:00" for hour in range(24)]


def written(tmp_path, text: str):
    path = tmp_path / "day.csv"
    path.write_text(text, encoding="utf-8")
    return path


def day(*lines: str) -> str:
    return "\n".join(["time,requests/s", *lines]) + "\n"


def rate_at(traffic, hour: float) -> float:
    return float(traffic.rates_rps[int(hour * 3600 / STEP_S)])


def test_a_smooth_day_has_its_peak_and_its_night_twelve_hours_apart():
    traffic = smooth_traffic(800, 100, 14 * 3600)
    assert (traffic.peak_rps, traffic.duration_s) == (800, DAY_S)
    assert rate_at(traffic, 14) == pytest.approx(800, rel=1e-5)
    assert rate_at(traffic, 2) == pytest.approx(100, rel=1e-4)
    assert traffic.requests == pytest.approx(450 * DAY_S)


def test_a_file_is_read_with_lines_between_its_points_and_over_midnight(tmp_path):
    traffic = read_traffic(written(tmp_path, day("05:00,100", "11:00,400", "17:00:00,100", "23:00,50")))
    assert traffic.peak_rps == 400
    assert rate_at(traffic, 8) == pytest.approx(250, abs=1)
    assert rate_at(traffic, 2) == pytest.approx(75, abs=1)
    assert rate_at(traffic, 23) == pytest.approx(50, abs=1)


def test_dates_begin_at_their_own_time_of_day(tmp_path):
    lines = [f"2026-11-{20 + hour // 24}T{hour % 24:02}:00:00+01:00,{hour % 24}" for hour in range(18, 42)]
    traffic = read_traffic(written(tmp_path, day(*lines)))
    assert rate_at(traffic, 3) == pytest.approx(3, abs=0.01)
    assert rate_at(traffic, 20.5) == pytest.approx(20.5, abs=0.01)


def test_the_same_time_of_the_next_day_may_end_a_file(tmp_path):
    lines = [*(f"{hour},100" for hour in HOURS), "24:00,100"]
    assert read_traffic(written(tmp_path, day(*lines))).requests == pytest.approx(100 * DAY_S)


def test_other_columns_spaces_and_empty_lines_do_not_matter(tmp_path):
    lines = [f"x, {hour} , 7 " for hour in HOURS]
    path = written(tmp_path, "\ufeffhost,time,requests/s\n\n" + "\n".join(lines) + "\n\n")
    assert read_traffic(path).peak_rps == 7


@given(st.lists(st.floats(0.1, 1e6), min_size=2, max_size=50))
def test_no_step_is_above_the_peak_or_below_the_lowest_point(rates):
    points = [(place * DAY_S / len(rates), rate) for place, rate in enumerate(rates)]
    traffic = interpolated_traffic(points)
    assert traffic.rates_rps.size == DAY_S / STEP_S
    assert traffic.peak_rps == max(rates)
    assert min(rates) * (1 - 1e-9) <= traffic.rates_rps.min() <= traffic.rates_rps.max() <= max(rates) * (1 + 1e-9)


FLAT = [f"{hour},100" for hour in HOURS]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "is empty, so the columns time and requests/s are not known; write a line `time,requests/s`"),
        ("when;rps\n00:00;5\n", "begins with 'when;rps'"),
        (day("00:00,5"), "has 1 of the 2 or more points"),
        (day(*FLAT[:5], "05:00"), "line 7 has too few columns"),
        (day(*FLAT[:5], "5 am,100"), "line 7: the time '5 am' cannot be read; give all times as 14:30"),
        (day(*FLAT[:5], "25:00,100"), "line 7: the time '25:00'"),
        (day(*FLAT[:5], "2026-11-20T05:00,100"), "line 7: the time '2026-11-20T05:00'"),
        (day(*FLAT[:5], '05:00,"1,200"'), "line 7: requests/s '1,200' is not a number; write it without separators"),
        (day(*FLAT[:5], "05:00,-1"), "line 7: requests/s is -1"),
        (day(*FLAT[:5], "05:00,nan"), "line 7: requests/s is nan"),
        (day(*FLAT[:5], "04:00,100"), "line 7: the time is not after that of the line before; sort the lines"),
        (day(*FLAT[8:18]), "has no point from 17:00 to 08:00, so the traffic there is not known"),
        (day(*(f"{hour},0" for hour in HOURS)), "has no traffic"),
        (day(*(f"2026-11-{date}T00:00,5" for date in (20, 21, 22))), "has 2.0 days"),
    ],
)
def test_a_file_that_is_no_day_of_traffic_names_the_line_and_the_fix(tmp_path, text, named):
    with pytest.raises(TrafficError, match=r"day\.csv") as caught:
        read_traffic(written(tmp_path, text))
    assert named in str(caught.value)


def test_a_file_that_is_not_text_is_an_error(tmp_path):
    path = tmp_path / "day.csv"
    path.write_bytes(b"\xff\xfe\x00t")
    with pytest.raises(TrafficError, match="is not CSV in UTF-8"):
        read_traffic(path)


def test_a_time_of_day_is_from_midnight_to_midnight():
    assert second_of_day("24:00") == DAY_S
    assert second_of_day("7:05:30") == 7 * 3600 + 330
    with pytest.raises(ValueError, match="'24:01' is not a time of day"):
        second_of_day("24:01")
