import re

import pytest

from analysis.formatting import run_name
from analysis.objective import Asked
from analysis.report.collect import collect
from analysis.report.render import write_report
from analysis.report.seed import EXPERIMENTS, differences, experiments, seed_claims, seed_table
from analysis.results.schema.manifest import Replica, Validity
from analysis.verdict.at_one_load import cheapest
from bench.stores.synthetic import Server, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import PROFILES
from stacks.server.serving_variant import Batching

SEED = PROFILES["seed"]
FAST, SLOW = Server(capacity_rps=60, service_ms=100), Server(capacity_rps=30, service_ms=200)
THEIR_BATCHING = Batching(max_batch_size=128, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)


def a_run(store, server=FAST, load=SEED, serving=None, **changes):
    manifest = make_manifest(load, **changes)
    served = manifest.serving.model_copy(update={"inter_op": 8, "server": "tensorflow_model_server"} | (serving or {}))
    return write_run(store, manifest.model_copy(update={"serving": served}), make_rows(load, server))


def findings_of(store):
    return collect(store, Asked())


def row_of(store, label):
    table = seed_table(findings_of(store))
    titles = [column.title for column in table.columns]
    return next(dict(zip(titles, row, strict=True)) for row in table.rows if row[0] == label)


def claim_of(store, beginning):
    """The claim, judged by the closed loops."""
    return next(claim for claim in claims_of(store) if claim.claim.startswith(beginning))


def claims_of(store):
    reproduction = findings_of(store).reproduction
    return seed_claims(reproduction, cheapest(reproduction))


def test_there_are_twelve_experiments_and_three_with_batching_under_their_own_labels():
    labels = [each.label for each in EXPERIMENTS]
    assert len(set(labels)) == 15
    assert labels[0] == "8n-2c-4r-interop2"
    assert labels[7] == "2n-8c-16r-interop4"
    assert labels[-3:] == [f"2n-8c-64r-interop{inter_op}-batch" for inter_op in (2, 4, 8)]


def test_rows_are_of_runs_on_one_cpu_and_the_others_say_why_they_have_no_figures(store):
    xeon, epyc = ((Replica(name="s0", cpu_model=model),) for model in ("Xeon", "EPYC"))
    a_run(store, replicas=epyc)
    a_run(store, serving={"inter_op": 2}, replicas=epyc)
    shown = a_run(store, serving={"inter_op": 2}, replicas=xeon)
    a_run(store, serving={"inter_op": 4}, replicas=xeon)
    left_out = row_of(store, "2n-8c-16r-interop8")
    assert left_out["run"] == "no comparable run"
    assert left_out["good, 1/s"] == "–"
    assert left_out["differences"].startswith("it ran on EPYC, so it does not compare with runs on Xeon; run both on")
    found = {experiment["experiment"]: experiment for experiment in experiments(findings_of(store))}
    assert found["2n-8c-16r-interop2"]["run_id"] == shown.run_id
    assert found["2n-8c-16r-interop8"]["goodput_rps"] is None
    assert found["2n-8c-16r-interop8"]["differs"] == left_out["differences"]


def test_a_run_is_in_the_row_of_its_settings_and_in_no_other(store):
    run = a_run(store)
    rows = {row[0]: row[1] for row in seed_table(findings_of(store)).rows}
    assert rows.pop("2n-8c-16r-interop8") == run_name(run)
    assert set(rows.values()) == {"no run"}


@pytest.mark.parametrize(
    "serving",
    [
        {"intra_op": 4},
        {"protocol": "grpc"},
        {"batching": THEIR_BATCHING},
        {"inter_op": 3},
        {"cpu_limit": 7.0},
        {"one_dnn": True},
    ],
)
def test_a_run_with_other_settings_is_in_no_row(store, serving):
    a_run(store, serving=serving)
    assert {row[1] for row in seed_table(findings_of(store)).rows} == {"no run"}


def test_batching_matches_only_with_the_published_parameters(store):
    shape = {"stack": "8cpu-64gb", "machine_type": "e2-highmem-8"}
    run = a_run(store, serving={"batching": THEIR_BATCHING}, **shape)
    assert row_of(store, "2n-8c-64r-interop8-batch")["run"] == run_name(run)
    assert row_of(store, "2n-8c-64r-interop8")["run"] == "no run"


def test_invalid_runs_are_in_no_row_and_of_several_the_newest_is_shown(store):
    a_run(store, validity=Validity(verdict="invalid", reasons=("the server died",)))
    assert row_of(store, "2n-8c-16r-interop8")["run"] == "no run"
    a_run(store, SLOW)
    a_run(store, FAST)
    assert row_of(store, "2n-8c-16r-interop8")["run"].endswith("(newest of 2)")
    assert float(row_of(store, "2n-8c-16r-interop8")["good, 1/s"]) == pytest.approx(60, rel=0.05)


def test_prices_are_of_24_hours_with_and_without_what_is_not_a_node(store):
    # REFERENCE §2: 11.15 for 16 vCPUs and 32 GB, 17.36 for two e2-highmem-8.
    for label, usd in {
        "8n-2c-4r-interop2": "11.15",
        "2n-8c-16r-interop4": "11.15",
        "2n-8c-64r-interop2": "17.36",
    }.items():
        row = row_of(store, label)
        assert row["nodes only, USD/24 h"] == usd
        assert float(row["all, USD/24 h"]) > float(usd)


def test_the_published_average_includes_the_ramp_and_is_lower(store):
    a_run(store)
    row = row_of(store, "2n-8c-16r-interop8")
    assert float(row["requests, 1/s, with ramp"]) < float(row["good, 1/s"])


def test_differences_from_the_experiment_are_listed(store):
    own = {"image": "acme/tfs-resnet-cpu-opt:1.0", "seed_faithful": True}
    assert differences(a_run(store, serving=own)) == []
    assert differences(a_run(store, load=SEED.model_copy(update={"warmup_s": 30.0}), serving=own)) == []
    [load] = differences(a_run(store, load=PROFILES["laptop"], serving=own))
    assert load.startswith("other load")
    other = a_run(store, platform="local", serving={"server": "shapebench-embedded", "image": None})
    assert [difference.split()[0] for difference in differences(other)] == ["this", "served", "probes,"]


@pytest.mark.parametrize(
    ("image", "official"),
    [
        ("tensorflow/serving:2.20.0", True),
        ("docker.io/tensorflow/serving@sha256:" + "0" * 64, True),
        ("europe-docker.pkg.dev/acme/mirror/tensorflow/serving:2.20.0", True),
        ("europe-docker.pkg.dev/acme/shapes/tfs-resnet-cpu-opt:1.0", False),
        ("acme/my-tensorflow/serving-opt:2.20.0", False),
    ],
)
def test_the_official_image_is_a_difference_since_theirs_was_compiled_for_cpus(store, image, official):
    found = differences(a_run(store, serving={"image": image, "seed_faithful": True}))
    assert found == (["the official server image, not one compiled for CPUs"] if official else [])


def test_the_published_best_is_refuted_by_a_better_one_and_undecided_alone(store):
    assert claim_of(store, "The best is").finding == "undecided"
    a_run(store, SLOW)
    assert "too few" in claim_of(store, "The best is").why
    a_run(store, FAST, stack="4cpu-8gb", machine_type="e2-custom-4-8192", nodes=4)
    refuted = claim_of(store, "The best is")
    assert (refuted.finding, refuted.why) == ("refuted", "best here is 4cpu-8gb · interop8")


def test_the_published_best_is_confirmed_only_among_all_twelve(store):
    for each in EXPERIMENTS[:12]:
        server = FAST if each.label == "2n-8c-16r-interop8" else SLOW
        a_run(store, server, stack=each.label, machine_type=each.machine_type, nodes=each.nodes,
              serving={"inter_op": each.inter_op})  # fmt: skip
    assert claim_of(store, "The best is").finding == "confirmed"


def test_all_published_claims_are_there_and_those_not_examined_are_undecided(store):
    claims = claims_of(store)
    assert len(claims) == 6
    assert [claim.finding for claim in claims[-2:]] == ["undecided", "undecided"]


def test_the_claims_are_judged_at_the_load_of_the_experiment_and_beside_it_at_capacity(store, tmp_path):
    """Quicker in the closed loop, and the other way round at capacity."""
    dear = {"stack": "4cpu-8gb", "machine_type": "e2-custom-4-8192", "nodes": 4}
    for server, rps, shape in ((FAST, 30, {}), (SLOW, 60, dear)):
        run = a_run(store, server, **shape)
        searched, rows = make_search(rps, **shape)
        write_run(store, searched.model_copy(update={"serving": run.serving}), rows)
    assert claim_of(store, "Fewer and larger").finding == "confirmed"
    verdict = findings_of(store).verdict
    best = [each.label for each in verdict.best]
    at_capacity = {seed_claim.claim: seed_claim.finding for seed_claim in seed_claims(verdict.ranking, best)}
    assert at_capacity["Fewer and larger machines are better"] == "refuted"
    for path in write_report(findings_of(store), tmp_path / "report", seed=True):
        text = path.read_text()
        assert "better on the larger machines and 0 certainly worse" in text
        assert "0 of 1 figures (cost of each pair) are certainly better on the larger machines and 1 certainly" in text


def test_both_reports_compare_with_the_experiment_only_with_the_option(store, tmp_path):
    a_run(store)
    findings = findings_of(store)
    for path in write_report(findings, tmp_path / "without"):
        assert "Comparison with the published experiment" not in path.read_text()
    for path in write_report(findings, tmp_path / "with", seed=True):
        text = path.read_text()
        assert "Comparison with the published experiment" in text
        assert "compiled from source for CPUs (tfs-resnet-cpu-opt)" in text
        assert all(each.label in text for each in EXPERIMENTS)
        assert len(re.findall(r"no run(?= \||<)", text)) == 14
