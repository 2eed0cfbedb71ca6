from datetime import timedelta

import numpy as np
import pytest

from analysis.results.manifest import Validity
from analysis.results.store import ResultsStore
from analysis.verdict.judge import judge
from analysis.verdict.objective import Objective
from analysis.verdict.ranking import Meets
from analysis.verdict.text import paragraph
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, write_run
from stacks.load_profiles import ClosedLoop

LOAD = ClosedLoop(users=20, spawn_rate_per_s=20, wait_s=0.2, warmup_s=0, duration_s=61)
SHAPES = {"2cpu-4gb": ("e2-custom-2-4096", 8), "8cpu-16gb": ("e2-custom-8-16384", 2)}
ASKED = Objective(p99_ms=600, errors=0.01)


def add(store, stack="8cpu-16gb", capacity_rps=60.0, load=LOAD, seed=1, error_share=0.0, **changes):
    """A run of a server that answers so many requests a second, within 20 users' reach."""
    at = STARTED_AT + timedelta(minutes=seed)
    manifest = make_manifest(load, stack, *SHAPES[stack], started_at=at, **changes)
    server = Server(capacity_rps=capacity_rps, service_ms=20, error_share=error_share)
    return write_run(store, manifest, make_rows(load, server, seed=seed))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Three runs each of a good and of a dearer variant, one invalid run, one under another load."""
    store = ResultsStore(str(tmp_path_factory.mktemp("told") / "results"))
    for seed in (1, 2, 3):
        add(store, seed=seed)
        add(store, "2cpu-4gb", 45, seed=10 + seed)
    add(store, seed=20, validity=Validity(verdict="invalid", reasons=("the generator was the limit",)))
    add(store, seed=21, load=LOAD.model_copy(update={"users": 10}))
    return judge(store, ASKED)


def test_repeats_are_pooled_and_the_cheapest_is_best(told):
    assert [(each.label, each.runs) for each in told.ranking] == [("8cpu-16gb", 3), ("2cpu-4gb", 3)]
    assert [each.label for each in told.best] == ["8cpu-16gb"]
    assert told.outcome is Meets.yes
    assert told.ranking[0].goodput_rps.value == pytest.approx(60, rel=0.02)


def test_invalid_runs_and_those_of_another_load_are_left_out_with_their_reasons(told):
    reasons = [reason for each in told.excluded for reason in each.reasons]
    assert reasons[0] == "the generator was the limit"
    assert "another load" in reasons[1]
    assert len(reasons) == 2


def test_the_paragraph_quotes_the_figures_and_says_what_is_left_out(told):
    words = paragraph(told)
    best, second = told.ranking
    assert words.startswith(
        "For the lowest cost per million good predictions with a p99 of at most 600 ms and at most 1 % errors"
    )
    assert f"8cpu-16gb is best: {best.usd_per_million.value:.2f} (" in words
    assert f"{best.goodput_rps.value:.1f} (" in words
    dearer = (second.usd_per_million.value / best.usd_per_million.value - 1) * 100
    assert f"2cpu-4gb, {dearer:.1f} (" in words
    assert "2 runs are left out" in words


def test_equal_variants_are_tied_and_the_paragraph_says_what_would_tell_them_apart(store):
    rng = np.random.default_rng(1)
    for seed in range(3):
        add(store, capacity_rps=60 * np.exp(rng.normal(0, 0.03)), seed=seed)
        manifest = make_manifest(LOAD, "8cpu-16gb", *SHAPES["8cpu-16gb"])
        serving = manifest.serving.model_copy(update={"inter_op": 8})
        add(store, capacity_rps=60 * np.exp(rng.normal(0, 0.03)), seed=10 + seed, serving=serving)
    judged = judge(store, ASKED)
    assert len(judged.best) == 2
    words = paragraph(judged)
    assert "are tied" in words
    assert "more run" in words or "take either" in words


def test_a_store_where_nothing_keeps_the_limits_says_by_how_much(store):
    add(store)
    judged = judge(store, Objective(p99_ms=50, errors=0.01))
    assert judged.outcome is Meets.no
    assert judged.best == ()
    assert "Nothing that was measured" in paragraph(judged)
    assert "against 50" in paragraph(judged)


def test_where_the_data_cannot_tell_the_paragraph_says_how_many_runs_would(store):
    add(store)
    p99_ms = judge(store, ASKED).ranking[0].p99_ms.value
    judged = judge(store, Objective(p99_ms=round(p99_ms * 1.002, 3), errors=0.01))
    assert judged.outcome is Meets.unsure
    assert "cannot tell" in paragraph(judged)
    assert "more runs of it would settle that" in paragraph(judged) or "too close" in paragraph(judged)


def test_no_error_among_few_requests_does_not_prove_few_errors(store):
    add(store)
    judged = judge(store, Objective(p99_ms=600, errors=0.0001))
    assert judged.ranking[0].meets is Meets.unsure
    assert "errors are 0.00 (0.00 to" in paragraph(judged)
    assert "more runs of it would settle that" in paragraph(judged)


def test_a_single_run_is_told_what_it_cannot_know(store):
    add(store)
    assert "repeat it at least twice" in paragraph(judge(store, ASKED))


def test_a_run_without_a_price_or_a_good_answer_has_no_rank(store, table, row):
    unpriced = make_manifest(LOAD).cost.model_copy(update={"hourly": None})
    add(store, cost=unpriced)
    write_run(store, make_manifest(LOAD), table([row(second, ok=False) for second in range(9)]))
    judged = judge(store, ASKED)
    assert judged.ranking == ()
    assert [each.reasons for each in judged.excluded] == [
        ("something that it uses has no price, so it has no cost",),
        ("no good answer came within its hold, so it has no latency or no cost",),
    ]
    assert "no valid run" in paragraph(judged)
    assert judged.outcome is Meets.unsure


def test_the_same_store_gives_the_same_verdict_twice(store):
    add(store)
    assert judge(store, ASKED) == judge(store, ASKED)
