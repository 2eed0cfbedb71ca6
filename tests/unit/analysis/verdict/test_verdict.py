from datetime import timedelta

import numpy as np
import pytest

from analysis.objective import Objective
from analysis.results.manifest import Validity
from analysis.results.store import ResultsStore
from analysis.verdict.ranking import Meets
from analysis.verdict.text import paragraph
from analysis.verdict.verdict import read_verdict
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, write_run
from stacks.load_profiles import ClosedLoop

LOAD = ClosedLoop(users=20, spawn_rate_per_s=20, wait_s=0.2, warmup_s=0, duration_s=61)
SHAPES = {"2cpu-4gb": ("e2-custom-2-4096", 8), "8cpu-16gb": ("e2-custom-8-16384", 2)}
OBJECTIVE = Objective(latency_ms=600, errors=0.01)


def add(store, stack="8cpu-16gb", capacity_rps=60.0, load=LOAD, seed=1, error_share=0.0, **changes):
    """A run of a server that answers so many requests a second, within 20 users' reach."""
    at = STARTED_AT + timedelta(minutes=seed)
    manifest = make_manifest(load, stack, *SHAPES[stack], started_at=at, **changes)
    server = Server(capacity_rps=capacity_rps, service_ms=20, error_share=error_share)
    return write_run(store, manifest, make_rows(load, server, seed=seed))


@pytest.fixture(scope="module")
def verdict(tmp_path_factory):
    """Three runs each of a good and of a dearer variant, one invalid run, one under another load."""
    store = ResultsStore(str(tmp_path_factory.mktemp("verdict") / "results"))
    for seed in (1, 2, 3):
        add(store, seed=seed)
        add(store, "2cpu-4gb", 45, seed=10 + seed)
    add(store, seed=20, validity=Validity(verdict="invalid", reasons=("the generator was the bottleneck",)))
    add(store, seed=21, load=LOAD.model_copy(update={"users": 10}))
    return read_verdict(store, OBJECTIVE)


def test_repeats_are_pooled_and_the_cheapest_is_best(verdict):
    assert [(each.label, each.runs) for each in verdict.ranking] == [("8cpu-16gb", 3), ("2cpu-4gb", 3)]
    assert [each.label for each in verdict.best] == ["8cpu-16gb"]
    assert verdict.outcome is Meets.yes
    assert verdict.ranking[0].goodput_rps.value == pytest.approx(60, rel=0.02)


def test_invalid_runs_and_those_of_another_load_are_excluded_with_their_reasons(verdict):
    reasons = [reason for _, why in verdict.excluded for reason in why]
    assert reasons[0] == "the generator was the bottleneck"
    assert "run both under one load" in reasons[1]
    assert len(reasons) == 2


def test_the_paragraph_has_the_figures_and_the_number_of_excluded_runs(verdict):
    text = paragraph(verdict)
    best, second = verdict.ranking
    assert text.startswith(
        "For the lowest cost per million good predictions with a p99 of at most 600 ms and at most 1 % errors"
    )
    assert f"8cpu-16gb is best: {best.usd_per_million.value:.2f} (" in text
    assert f"{best.goodput_rps.value:.1f} (" in text
    dearer = (second.usd_per_million.value / best.usd_per_million.value - 1) * 100
    assert f"2cpu-4gb, {dearer:.1f} (" in text
    assert "2 runs are not ranked" in text


def test_equal_variants_are_tied_and_the_paragraph_says_what_would_tell_them_apart(store):
    rng = np.random.default_rng(1)
    for seed in range(3):
        add(store, capacity_rps=60 * np.exp(rng.normal(0, 0.03)), seed=seed)
        manifest = make_manifest(LOAD, "8cpu-16gb", *SHAPES["8cpu-16gb"])
        serving = manifest.serving.model_copy(update={"inter_op": 8})
        add(store, capacity_rps=60 * np.exp(rng.normal(0, 0.03)), seed=10 + seed, serving=serving)
    verdict = read_verdict(store, OBJECTIVE)
    assert len(verdict.best) == 2
    text = paragraph(verdict)
    assert "are tied" in text
    assert "more run" in text or "take either" in text


def test_where_no_variant_meets_the_objective_the_paragraph_says_by_how_much(store):
    add(store)
    verdict = read_verdict(store, Objective(latency_ms=50, errors=0.01))
    assert verdict.outcome is Meets.no
    assert verdict.best == ()
    assert "No variant gives" in paragraph(verdict)
    assert "the limit is 50" in paragraph(verdict)


def test_where_the_data_cannot_tell_the_paragraph_says_how_many_runs_would(store):
    add(store)
    p99_ms = read_verdict(store, OBJECTIVE).ranking[0].p99_ms.value
    verdict = read_verdict(store, Objective(latency_ms=round(p99_ms * 1.002, 3), errors=0.01))
    assert verdict.outcome is Meets.unsure
    assert "cannot tell" in paragraph(verdict)
    assert "more runs of it would settle that" in paragraph(verdict) or "too close" in paragraph(verdict)


def test_no_error_among_few_requests_does_not_prove_few_errors(store):
    add(store)
    verdict = read_verdict(store, Objective(latency_ms=600, errors=0.0001))
    assert verdict.ranking[0].meets is Meets.unsure
    assert "errors are 0.00 (0.00 to" in paragraph(verdict)
    assert "more runs of it would settle that" in paragraph(verdict)


def test_of_a_single_run_the_paragraph_says_what_it_cannot_show(store):
    add(store)
    assert "repeat it at least twice" in paragraph(read_verdict(store, OBJECTIVE))


def test_a_run_without_a_price_or_a_good_answer_is_not_ranked(store, table, row):
    unpriced = make_manifest(LOAD).cost.model_copy(update={"hourly": None})
    add(store, cost=unpriced)
    write_run(store, make_manifest(LOAD), table([row(second, ok=False) for second in range(9)]))
    verdict = read_verdict(store, OBJECTIVE)
    assert verdict.ranking == ()
    assert [reasons for _, reasons in verdict.excluded] == [
        ("a line item has no price, so its cost is not known",),
        ("its hold has no good answer, so it has no latency or no cost",),
    ]
    assert "no valid run" in paragraph(verdict)
    assert verdict.outcome is Meets.unsure


def test_the_same_store_gives_the_same_verdict_twice(store):
    add(store)
    assert read_verdict(store, OBJECTIVE) == read_verdict(store, OBJECTIVE)
