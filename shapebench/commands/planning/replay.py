"""`shapebench replay`: a run along a curve, with an autoscaler, beside what `shapebench day` forecasts of it."""

from typing import Any

from analysis.formatting import percent
from analysis.objective import Asked
from analysis.planning.day.replay import CLOSE, NoReplayError, Replay, replay_of
from analysis.planning.day.start_up import AskedDelays
from analysis.planning.day.traffic import STEP_S
from analysis.report.tables import Table
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from shapebench.commands.results.show import find_run
from shapebench.output import CommandError, print_json, print_table, print_text, progress

_ROWS = 24


def print_replay(uri: str, id_part: str, requested: Asked, delays: AskedDelays, *, as_json: bool) -> None:
    """Raises CommandError where the run is no replay, or nothing forecasts it."""
    store = ResultsStore(uri)
    with progress() as say:
        verdict = read_verdict(store, requested)
        run = find_run(verdict.scan, id_part, uri)
        try:
            replay = replay_of(store, verdict, run, delays, say)
        except NoReplayError as error:
            raise CommandError(str(error)) from None
    if as_json:
        print_json(_json(replay))
    else:
        _print_text(replay)


def _print_text(replay: Replay) -> None:
    run, objective, servers = replay.run, replay.objective, replay.servers
    assert run.autoscaler
    print_text(
        f"Run {run.run_id} of {run.stack}: {replay.requests:,} requests along a curve of"
        f" {replay.rates_rps.min():.3g} to {replay.rates_rps.max():.3g} a second, with {run.autoscaler.fewest} to"
        f" {run.shape.nodes} servers at a CPU target of {run.autoscaler.target_percent} %. The forecast: a server"
        f" certainly carries {replay.offer.sizing.node_rps:.3g} a second at a {objective.quantile_name} of"
        f" {objective.latency_ms:g} ms, and starts within {replay.start_s:.0f} s.\n"
    )
    rows = [
        (
            "servers, mean",
            f"{servers.value:.2f} ({servers.low:.2f} to {servers.high:.2f})",
            f"{replay.measured_servers:.2f}",
            _holds(replay.servers_hold),
        ),
        ("servers, most", f"{replay.forecast.max():.0f}", f"{replay.measured.max():.0f}", ""),
        (
            "late or failed",
            f"up to {percent(replay.most_late)} %",
            f"{percent(replay.late.value)} ({percent(replay.late.low)} to {percent(replay.late.high)}) %",
            _holds(replay.late_holds),
        ),
    ]
    print_table(Table.of("Replay", ("figure", "forecast", "measured", "the forecast"), (), rows), "Replay")
    print_text("")
    print_table(
        Table.of("Servers", ("minute",), ("requests/s", "forecast", "measured"), _over_time(replay)),
        "Servers that are ready",
    )
    print_text(
        f"\nThe measured number of servers differs from the forecast by at most one in"
        f" {percent(replay.within_one)} % of the time. A forecast of servers holds within {percent(CLOSE)} %. What may"
        f" be late is what is due in overload by the forecast ({percent(replay.overloaded)} %), and what a"
        f" {objective.quantile_name} allows."
    )


def _holds(holds: bool) -> str:  # noqa: FBT001 - what it says in words
    return "holds" if holds else "does not hold"


def _over_time(replay: Replay) -> list[tuple[str, str, str, str]]:
    steps = len(replay.measured)
    every = -(-steps // _ROWS)
    mean = replay.forecast.mean(axis=0)
    return [
        (
            f"{at * STEP_S / 60:.4g}",
            f"{replay.rates_rps[at : at + every].mean():.3g}",
            f"{mean[at : at + every].mean():.2f}",
            f"{replay.measured[at : at + every].mean():.2f}",
        )
        for at in range(0, steps, every)
    ]


def _json(replay: Replay) -> dict[str, Any]:
    servers, late = replay.servers, replay.late
    return {
        "run_id": replay.run.run_id,
        "stack": replay.run.stack,
        "start_s": replay.start_s,
        "node_rps": replay.offer.sizing.node_rps,
        "servers": {
            "forecast": {"value": servers.value, "low": servers.low, "high": servers.high},
            "measured": replay.measured_servers,
            "within_one": replay.within_one,
            "holds": replay.servers_hold,
        },
        "late": {
            "overloaded": replay.overloaded,
            "forecast_at_most": replay.most_late,
            "measured": {"value": late.value, "low": late.low, "high": late.high},
            "holds": replay.late_holds,
        },
        "step_s": STEP_S,
        "steps": [
            {"requests_per_s": float(rate), "forecast": float(forecast), "measured": float(measured)}
            for rate, forecast, measured in zip(
                replay.rates_rps, replay.forecast.mean(axis=0), replay.measured, strict=True
            )
        ],
    }
