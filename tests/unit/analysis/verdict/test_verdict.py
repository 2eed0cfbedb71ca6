from datetime import timedelta

import pytest

from analysis.objective import Asked, Objective
from analysis.results.schema.manifest import Replica, Validity
from analysis.results.storage.store import ResultsStore
from analysis.verdict.capacity import Meets
from analysis.verdict.text import claim, paragraph
from analysis.verdict.verdict import read_verdict, verdict_of
from bench.stores.synthetic import STARTED_AT, Server, machine_samples, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import ClosedLoop

LOAD = ClosedLoop(users=20, spawn_rate_per_s=20, wait_s=0.2, warmup_s=0, duration_s=61)
SHAPES = {"2cpu-4gb": ("e2-custom-2-4096", 8), "8cpu-16gb": ("e2-custom-8-16384", 2)}
ASKED = Objective(latency_ms=500)


def search(store, rps=60.0, stack="8cpu-16gb", seed=1, **changes):
    """A search on a deployment and a node of its own."""
    at = STARTED_AT + timedelta(minutes=seed)
    machine_type, nodes = SHAPES[stack]
    fields = {"stack": stack, "machine_type": machine_type, "nodes": nodes, "deployment": f"d{seed:011x}"}
    fields["replicas"] = (Replica(name="server", node=f"node-{seed}"),)
    return write_run(store, *make_search(rps, seed, started_at=at, **fields | changes))


def idle(store, stack="8cpu-16gb", **changes):
    manifest = make_manifest(LOAD, stack, *SHAPES[stack], **changes)
    return write_run(store, manifest, make_rows(LOAD, Server(capacity_rps=1000, service_ms=20)))


@pytest.fixture(scope="module")
def verdict(tmp_path_factory):
    """Three searches each of a good and of a dearer variant, an invalid run, and a closed loop."""
    store = ResultsStore(str(tmp_path_factory.mktemp("verdict") / "results"))
    for seed in (1, 2, 3):
        search(store, 60 + seed, seed=seed)
        search(store, 30 + seed, "2cpu-4gb", seed=10 + seed)
    search(store, validity=Validity(verdict="invalid", reasons=("the generator was the bottleneck",)))
    idle(store)
    return read_verdict(store, Asked())


def test_the_objective_is_that_of_the_searches(verdict):
    assert (verdict.objective.quantile, verdict.objective.latency_ms, verdict.objective.errors) == (0.99, 500, 0.001)


def test_searches_are_averaged_and_the_cheapest_is_best(verdict):
    assert [(each.label, each.runs, each.capacity.deployments) for each in verdict.ranking] == [
        ("8cpu-16gb · interop4", 3, 3),
        ("2cpu-4gb · interop4", 3, 3),
    ]
    assert [each.label for each in verdict.best] == ["8cpu-16gb · interop4"]
    assert verdict.outcome is Meets.yes
    assert verdict.ranking[0].capacity.rps.value == pytest.approx(62, rel=0.08)


def test_invalid_runs_and_runs_without_evidence_are_excluded_with_their_reasons(verdict):
    [(_, (invalid,)), (_, (closed,))] = verdict.excluded
    assert invalid == "the generator was the bottleneck"
    assert "says nothing about" in closed


def test_the_paragraph_begins_with_the_cost_and_says_what_it_rests_on(verdict):
    text, best = paragraph(verdict), verdict.ranking[0]
    cost, rps = best.usd_per_million, best.capacity.rps
    assert text.startswith(
        "With p99 within 500 ms and at most 0.1 % failed, a million predictions cost"
        f" {cost.value:.2f} ({cost.low:.2f} to {cost.high:.2f}) USD on 8cpu-16gb · interop4, certainly the lowest"
        f" of 2 variants, at its capacity of {rps.value:.1f} ({rps.low:.1f} to {rps.high:.1f}) requests per second."
    )
    more = verdict.ranking[1].standing.at_most_more * 100
    assert f"Choosing the runner-up, 2cpu-4gb · interop4, costs at most {more:.1f} % more than the best." in text
    assert (
        "The figure of 8cpu-16gb · interop4 rests on 3 runs of 3 deployments, the comparison of 2 variants on 6 runs of"
        " 6 deployments."
    ) in text
    assert "2 runs are not ranked" in text
    assert "assumption" not in text
    assert claim(verdict).startswith(f"A million predictions cost {cost.value:.2f} (")


def test_no_figure_rests_on_a_run_that_other_programs_disturbed_and_the_answer_says_so(tmp_path):
    """One says so itself; of the other, which is older, the samples do."""
    store = ResultsStore(str(tmp_path))
    local = {"platform": "local"}
    quiet = search(store, 60.0, **local)
    alone = read_verdict(store, ASKED)
    recorded = Validity(verdict="invalid", reasons=("the run was disturbed: other programs used 1.57 of 2 cores",))
    search(store, 20.0, seed=2, **local, validity=recorded)
    began_us, seconds = int(STARTED_AT.timestamp() * 1e6), 1200
    manifest, rows = make_search(20.0, 3, **local)
    write_run(store, manifest, rows, machine_samples(began_us, [1.57] * seconds))
    verdict = read_verdict(store, ASKED)
    assert [run.run_id for each in verdict.ranking for run in each.capacity.evidence] == [quiet.run_id]
    assert verdict.ranking[0].capacity == alone.ranking[0].capacity
    assert "2 runs are not ranked, 2 of them because other programs disturbed them" in paragraph(verdict)


def test_what_may_be_as_good_is_named_with_what_choosing_the_first_costs_at_most(searched):
    runs = [searched(rps, stack, at) for stack, rps in (("8cpu-16gb", 60), ("4cpu-8gb", 60.5)) for at in range(4)]
    verdict = verdict_of(runs, ASKED)
    first = verdict.ranking[0]
    assert "4cpu-8gb · interop4 may be as good" in paragraph(verdict)
    assert f"Choosing 8cpu-16gb · interop4 costs at most {first.standing.at_most_more * 100:.1f} % more" in paragraph(
        verdict
    )
    assert "A difference below 5 % does not matter, so choose 8cpu-16gb · interop4." in paragraph(verdict)
    assert "4cpu-8gb · interop4 may be as good" in claim(verdict)


def test_what_is_assumed_of_deployments_is_said(searched):
    text = paragraph(verdict_of([searched(60)], ASKED))
    assert "The difference between deployments (3.0 %) is in part an assumption" in text
    assert "The figure rests on 1 run of 1 deployment." in text
    assert "of 1 variants" not in text


def test_only_bounds_are_said_as_bounds(searched, bounded):
    verdict = verdict_of([searched(60), bounded(low=30, inter_op=8)], ASKED)
    text = paragraph(verdict)
    assert (
        "may cost any amount more than the best, because no run gives a lower limit of another variant's cost" in text
    )
    assert verdict.next[0].why.startswith(
        "Only bounds of the capacity of 8cpu-16gb · interop8 are known; search for it."
    )


def test_where_no_variant_meets_the_objective_the_paragraph_says_so(bounded):
    verdict = verdict_of([bounded(high=0.4, load="capacity")], ASKED)
    assert verdict.outcome is Meets.no
    assert verdict.best == ()
    assert "No variant meets the objective: p99 within 500 ms" in paragraph(verdict)
    assert "Not even the lowest rate allowed (lowestRps) on 8cpu-16gb · interop4 meets the objective." in paragraph(
        verdict
    )
    assert claim(verdict) == "No variant meets the objective"


def test_where_no_rate_certainly_keeps_the_objective_the_data_cannot_tell(bounded):
    verdict = verdict_of([bounded(high=40)], ASKED)
    assert verdict.outcome is Meets.unsure
    assert "The data cannot tell which variant has the lowest cost" in paragraph(verdict)


def test_a_budget_is_a_limit_of_the_price_and_the_paragraph_speaks_of_capacity(searched):
    budget = Objective(latency_ms=500, budget_usd_730h=420)
    text = paragraph(verdict_of([searched(60, "8cpu-16gb"), searched(90, "8cpu-64gb")], budget))
    assert text.startswith("With p99 within 500 ms and at most 0.1 % failed, 8cpu-16gb · interop4 has a capacity of")
    assert "within 420.00 USD per 730 h" in text
    assert "The price of 8cpu-64gb · interop4 is over the budget." in text


def test_runs_that_say_nothing_are_not_ranked_and_the_paragraph_says_what_to_run(store):
    idle(store)
    verdict = read_verdict(store, ASKED)
    assert verdict.ranking == ()
    assert verdict.outcome is Meets.unsure
    text = paragraph(verdict)
    assert text.startswith("No run says what the capacity with p99 within 500 ms and at most 0.1 % failed is")
    assert claim(verdict) == "No run says yet what a million predictions cost"


def test_without_a_latency_limit_the_paragraph_asks_for_one(store):
    idle(store)
    verdict = read_verdict(store, Asked())
    assert verdict.ranking == verdict.next == ()
    assert "give one, such as --p99 400ms" in paragraph(verdict)


def test_a_run_without_a_price_is_not_ranked(store):
    cost = make_manifest(LOAD).cost
    item, *others = cost.line_items
    unpriced = item.model_copy(update={"hourly": None, "reason": "the price list has none"})
    search(store, cost=cost.model_copy(update={"hourly": None, "line_items": (unpriced, *others)}))
    verdict = read_verdict(store, ASKED)
    assert verdict.ranking == ()
    why = (
        f"no price is known for {item.name} in {cost.region}: the {cost.source} of {cost.prices_as_of} has none that"
        " can be used, so its cost is not known; `shapebench price --refresh` gets prices for further runs"
    )
    assert [reasons for _, reasons in verdict.excluded] == [(why,)]


def test_runs_on_this_machine_are_a_rehearsal_unless_a_cluster_ran_too(searched, silent):
    local = searched(60)
    local = type(local)(local.manifest.model_copy(update={"platform": "local"}), (), local.said)
    assert verdict_of([local], ASKED).is_rehearsal
    assert verdict_of([silent(platform="local")], ASKED).is_rehearsal
    assert not verdict_of([local, searched(50)], ASKED).is_rehearsal
    assert not verdict_of([], ASKED).is_rehearsal


def test_the_same_store_gives_the_same_verdict_twice(store):
    search(store)
    assert read_verdict(store, ASKED) == read_verdict(store, ASKED)
