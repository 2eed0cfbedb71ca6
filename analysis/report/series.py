"""What the charts of one run draw, aggregated in DuckDB: a few dozen points, however many rows the run has."""

from dataclasses import dataclass

import duckdb
import pandas as pd

from analysis.manifest import Manifest
from stacks.load_profiles import ClosedLoop

_MAX_WINDOWS = 75
_WINDOW_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)
_LATENCY_BINS = 40
_MAX_USER_LEVELS = 30
_HEAT_BINS = 24
# From these shares of a window's answers on, a cell of the heat map is a shade darker.
HEAT_SHARES = (0.0, 0.01, 0.05, 0.2, 0.5)


@dataclass(frozen=True)
class Series:
    """What is drawn of a run, as tables.

    `over_time`: second, p50_ms, p95_ms, max_ms (of good answers; NaN without any), requests, errors
    `phases`: phase, start_s, end_s
    `distribution`: low_ms, high_ms, count
    `heat`: start_s, end_s, low_ms, high_ms, shade (an index of HEAT_SHARES, by the share of its window's good answers);
    neighbouring windows of one shade are one row
    `by_users`: users, goodput_rps
    """

    over_time: pd.DataFrame
    phases: pd.DataFrame
    distribution: pd.DataFrame
    heat: pd.DataFrame
    by_users: pd.DataFrame
    window_s: int


def read_series(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> Series:
    """Aggregate the view `requests` (see analysis.rows)."""
    phases = _phases(connection)
    total_s = float(phases["end_s"].max()) if len(phases) else 0.0
    window_s = next((width for width in _WINDOW_WIDTHS_S if total_s / width <= _MAX_WINDOWS), _WINDOW_WIDTHS_S[-1])
    return Series(
        over_time=_over_time(connection, window_s),
        phases=phases,
        distribution=_distribution(connection, manifest.counted_phase),
        heat=_heat(connection, window_s),
        by_users=_by_users(connection, manifest),
        window_s=window_s,
    )


def _phases(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    phases: pd.DataFrame = connection.sql(
        """
        WITH begin AS (SELECT min(start_us) AS first_us FROM requests)
        SELECT
            phase,
            (min(start_us) - any_value(first_us)) / 1e6 AS start_s,
            (max(start_us) - any_value(first_us)) / 1e6 AS end_s
        FROM requests, begin GROUP BY phase ORDER BY start_s
        """
    ).df()
    return phases


def _over_time(connection: duckdb.DuckDBPyConnection, window_s: int) -> pd.DataFrame:
    return connection.execute(
        """
        WITH begin AS (SELECT min(due_us) AS first_us FROM requests)
        SELECT
            (due_us - first_us) // (1000000 * $window_s) * $window_s AS second,
            quantile_cont(response_us, 0.5) FILTER (ok) / 1000 AS p50_ms,
            quantile_cont(response_us, 0.95) FILTER (ok) / 1000 AS p95_ms,
            max(response_us) FILTER (ok) / 1000 AS max_ms,
            count(*) AS requests,
            count(*) FILTER (NOT ok) AS errors
        FROM requests, begin GROUP BY second ORDER BY second
        """,
        {"window_s": window_s},
    ).df()


def _distribution(connection: duckdb.DuckDBPyConnection, phase: str) -> pd.DataFrame:
    """Counts in bins of equal width on a logarithmic axis, from the fastest good answer of the hold to the slowest."""
    return connection.execute(
        """
        WITH hold AS (SELECT ln(greatest(response_us, 1)) AS x FROM requests WHERE phase = $hold AND ok),
        span AS (SELECT min(x) AS low, greatest((max(x) - min(x)) / $bins, 1e-4) AS width FROM hold),
        binned AS (
            SELECT least(floor((x - low) / width), $bins - 1) AS bin, count(*) AS count FROM hold, span GROUP BY bin
        )
        SELECT exp(low + bin * width) / 1000 AS low_ms, exp(low + (bin + 1) * width) / 1000 AS high_ms, count
        FROM binned, span ORDER BY bin
        """,
        {"hold": phase, "bins": _LATENCY_BINS},
    ).df()


def _heat(connection: duckdb.DuckDBPyConnection, window_s: int) -> pd.DataFrame:
    """Good answers by when they were due and how long they took, in bins of equal width on a logarithmic axis."""
    return connection.execute(
        """
        WITH begin AS (SELECT min(due_us) AS first_us FROM requests),
        good AS (
            SELECT (due_us - first_us) // (1000000 * $window_s) AS slot, ln(greatest(response_us, 1)) AS x
            FROM requests, begin WHERE ok
        ),
        span AS (SELECT min(x) AS low, greatest((max(x) - min(x)) / $bins, 1e-4) AS width FROM good),
        cells AS (
            SELECT slot, least(floor((x - low) / width), $bins - 1) AS bin, count(*) AS answers
            FROM good, span GROUP BY ALL
        ),
        shares AS (SELECT slot, bin, answers / sum(answers) OVER (PARTITION BY slot) AS share FROM cells),
        shades AS (
            SELECT slot, bin, len(list_filter($shares::DOUBLE[], lambda least: least <= share)) - 1 AS shade FROM shares
        ),
        alike AS (SELECT *, slot - row_number() OVER (PARTITION BY bin, shade ORDER BY slot) AS stretch FROM shades)
        SELECT
            min(slot) * $window_s AS start_s,
            (max(slot) + 1) * $window_s AS end_s,
            any_value(exp(low + bin * width)) / 1000 AS low_ms,
            any_value(exp(low + (bin + 1) * width)) / 1000 AS high_ms,
            shade
        FROM alike, span GROUP BY bin, shade, stretch ORDER BY start_s, bin
        """,
        {"window_s": window_s, "bins": _HEAT_BINS, "shares": HEAT_SHARES},
    ).df()


def _by_users(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> pd.DataFrame:
    """Good answers a second at each number of users on the way up, from the profile's spawn rate.

    Neighbouring numbers share a point where there are many of them. The last, partly filled point is left out. The
    user of the warm-up stays: the ramp's first user is then the second one.
    """
    load = manifest.load
    if not isinstance(load, ClosedLoop):
        return pd.DataFrame({"users": [], "goodput_rps": []})
    already = 1 if load.warmup_s else 0
    users_a_point = -(-load.users // _MAX_USER_LEVELS)
    return connection.execute(
        """
        WITH ramp AS (SELECT min(start_us) AS first_us FROM requests WHERE phase = 'ramp')
        SELECT
            (end_us - first_us) // $point_us * $users + ($users + 1) / 2 + $already AS users,
            count(*) FILTER (ok) * 1e6 / $point_us AS goodput_rps
        FROM requests, ramp
        WHERE end_us >= first_us AND end_us - first_us < $point_us * $points
        GROUP BY users ORDER BY users
        """,
        {
            "point_us": round(users_a_point / load.spawn_rate_per_s * 1e6),
            "users": users_a_point,
            "already": already,
            "points": (load.users - already) // users_a_point,
        },
    ).df()
