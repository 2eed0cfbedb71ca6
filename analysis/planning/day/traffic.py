"""The traffic of a day: its request rate in steps of 15 s, from a CSV file or as a smooth wave."""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stacks.numbers import number_of

DAY_S = 86_400
# The sync period of the HorizontalPodAutoscaler, so that it decides once in each step.
STEP_S = 15
TIME, RATE = "time", "requests/s"

_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:\.\d+)?))?")
_HOW = f"write a line `{TIME},{RATE}` and below it lines such as `14:30,800`"
# Between two points the rate is interpolated. Over a longer time that is a guess at the traffic, not a reading of it.
_LONGEST_GAP_S = 6 * 3600
_MOST_RPS = 1e9


class TrafficError(ValueError):
    """The traffic cannot be read; the message names what is wrong and what to give."""


@dataclass(frozen=True)
class Traffic:
    """The load of a day, or of a shorter time in its place.

    `rates_rps[i]` is the mean rate of the `i`-th step of STEP_S seconds; `peak_rps` is the highest rate of the curve.
    """

    rates_rps: NDArray[np.float64]
    peak_rps: float

    @property
    def requests(self) -> float:
        return float(self.rates_rps.sum()) * STEP_S

    def by_chance_rps(self, seed: int) -> NDArray[np.float64]:
        """What arrives in each step from independent callers, requests per second."""
        return np.random.default_rng(seed).poisson(self.rates_rps * STEP_S) / STEP_S

    @property
    def duration_s(self) -> float:
        return float(self.rates_rps.size * STEP_S)


def smooth_traffic(peak_rps: float, night_rps: float, peak_at_s: float) -> Traffic:
    """A cosine between the rate at the peak and the rate at night, twelve hours later."""
    wave = (1 + np.cos(2 * np.pi * (_middles_s(DAY_S) - peak_at_s) / DAY_S)) / 2
    return Traffic(night_rps + (peak_rps - night_rps) * wave, peak_rps)


def interpolated_traffic(points: Sequence[tuple[float, float]], duration_s: float = DAY_S) -> Traffic:
    """Straight lines through the points (seconds, requests/s), and from the last one to the first of the next day.

    Points are in order, and less than `duration_s` apart.
    """
    at_s, rates_rps = (np.array(column) for column in zip(*points, strict=True))
    around_s = np.concatenate([at_s[-1:] - duration_s, at_s, at_s[:1] + duration_s])
    around_rps = np.concatenate([rates_rps[-1:], rates_rps, rates_rps[:1]])
    return Traffic(np.interp(_middles_s(duration_s), around_s, around_rps), float(rates_rps.max()))


def read_traffic(path: Path) -> Traffic:
    """A CSV file with the columns `time` and `requests/s`. Raises TrafficError, or OSError if it cannot be opened.

    Times are `HH:MM` or `HH:MM:SS`, or dates with a time in ISO 8601. Other columns are ignored.
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        raise TrafficError(f"{path} is not CSV in UTF-8, so no traffic can be read; {_HOW}") from None
    rows = [(number, [cell.strip() for cell in cells]) for number, cells in enumerate(lines, 1) if any(cells)]
    if not rows or not {TIME, RATE} <= set(rows[0][1]):
        begins = f"begins with '{','.join(rows[0][1])}'" if rows else "is empty"
        raise TrafficError(f"{path} {begins}, so the columns {TIME} and {RATE} are not known; {_HOW}")
    header, *data = rows
    time_at, rate_at = header[1].index(TIME), header[1].index(RATE)
    cells = []
    for number, row in data:
        if len(row) <= max(time_at, rate_at):
            raise TrafficError(f"{path}, line {number} has too few columns ({len(row)}); give each line both values")
        cells.append((f"{path}, line {number}", row[time_at], row[rate_at]))
    if len(cells) < 2:
        raise TrafficError(f"{path} has {len(cells)} of the 2 or more points that a curve needs; {_HOW}")
    times_s = list(_times_s([(where, time) for where, time, _ in cells]))
    rates_rps = [_rate(where, rate) for where, _, rate in cells]
    return interpolated_traffic(_points_of_a_day(path, [where for where, *_ in cells], times_s, rates_rps))


def second_of_day(text: str) -> float:
    """The seconds from midnight to a time such as 14:30 or 14:30:15; raises ValueError."""
    match = _CLOCK.fullmatch(text.strip())
    at_s = int(match["hour"]) * 3600 + int(match["minute"]) * 60 + float(match["second"] or 0) if match else math.inf
    if at_s > DAY_S:
        raise ValueError(f"'{text}' is not a time of day; give one from 00:00 to 24:00, such as 14:30")
    return at_s


def _middles_s(duration_s: float) -> NDArray[np.float64]:
    return np.arange(STEP_S / 2, duration_s, STEP_S)


def _times_s(cells: Sequence[tuple[str, str]]) -> Iterator[float]:
    """Seconds from the midnight before the first time, which decides whether all are times of day or all dates."""
    has_dates = _CLOCK.fullmatch(cells[0][1]) is None
    first: datetime | None = None
    for where, text in cells:
        try:
            if not has_dates:
                yield second_of_day(text)
                continue
            at = datetime.fromisoformat(text)
        except ValueError:
            raise TrafficError(
                f"{where}: the time '{text}' cannot be read; give all times as 14:30, or all as 2026-11-20T14:30"
            ) from None
        at = at.replace(tzinfo=at.tzinfo or UTC)
        first = first or at
        yield first.hour * 3600 + first.minute * 60 + first.second + (at - first).total_seconds()


def _rate(where: str, text: str) -> float:
    try:
        rate_rps = number_of(text)
    except ValueError as error:
        raise TrafficError(f"{where}: {RATE} {error}") from None
    if not 0 <= rate_rps <= _MOST_RPS:
        raise TrafficError(f"{where}: {RATE} is {text}, which is not a rate; give requests per second, 0 or more")
    return rate_rps


def _points_of_a_day(
    path: Path, where: Sequence[str], times_s: Sequence[float], rates_rps: Sequence[float]
) -> list[tuple[float, float]]:
    """The points by the second of the day, in order; raises TrafficError unless they are of one day and all of it."""
    for place, (before_s, after_s) in zip(where[1:], pairwise(times_s), strict=True):
        if after_s <= before_s:
            raise TrafficError(f"{place}: the time is not after that of the line before; sort the lines by time")
    if times_s[-1] - times_s[0] > DAY_S:
        days = (times_s[-1] - times_s[0]) / DAY_S
        raise TrafficError(f"{path} has {days:.1f} days, so it is not known which one to compute; give one day of it")
    if not max(rates_rps):
        raise TrafficError(f"{path} has no traffic: {RATE} is 0 in every line; give a day with requests")
    points = list(zip(times_s, rates_rps, strict=True))
    if times_s[-1] - times_s[0] == DAY_S:
        # The same time of the next day, whose curve is taken to be the same.
        points.pop()
    ordered = sorted((at_s % DAY_S, rate_rps) for at_s, rate_rps in points)
    for (before_s, _), (after_s, _) in pairwise([*ordered, (ordered[0][0] + DAY_S, 0.0)]):
        if after_s - before_s > _LONGEST_GAP_S:
            raise TrafficError(
                f"{path} has no point from {_clock(before_s)} to {_clock(after_s)}, so the traffic there is not known;"
                f" give points that are at most {_LONGEST_GAP_S // 3600} h apart, over all 24 h"
            )
    return ordered


def _clock(at_s: float) -> str:
    minutes = round(at_s / 60) % (24 * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"
