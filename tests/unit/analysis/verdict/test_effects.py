from dataclasses import replace
from itertools import combinations

import pytest

from analysis.objective import Objective
from analysis.results.schema.manifest import Computation
from analysis.verdict.claims import ClaimFinding, claims
from analysis.verdict.effects import effects
from analysis.verdict.text import paragraph
from analysis.verdict.variants import Variant
from analysis.verdict.verdict import verdict_of
from stacks.machines.shapes import NodeShape, ShapeSettings


def found(*variants):
    return [(effect.factor, effect.change) for effect in effects(variants)]


def test_a_pair_that_differs_in_one_factor_shows_what_it_changed(at_load):
    before, after = at_load("a", 50, inter_op=2), at_load("b", 60, inter_op=8)
    [effect] = effects([after, before])
    assert (effect.factor, effect.change) == ("inter_op", "inter_op 2 → inter_op 8")
    assert effect.ratio("goodput_rps").value == pytest.approx(1.2)
    assert effect.ratio("usd_per_million_good").value == pytest.approx(1 / 1.2)


def test_a_pair_that_differs_in_two_factors_shows_nothing(at_load, batching):
    assert found(at_load("a", inter_op=2), at_load("b", inter_op=8, batching=batching)) == []


@pytest.fixture
def on(at_load):
    """A variant on nodes of another machine type, with a thread inside an operation for each of their vCPUs."""

    def on_machine(machine_type, nodes=2, **serving):
        shape = NodeShape.of("a", ShapeSettings(machine_type=machine_type, nodes=nodes))
        variant = at_load(machine_type, intra_op=shape.vcpus, **serving)
        run = variant.variant.newest.model_copy(update={"shape": shape})
        return replace(variant, variant=Variant(machine_type, (run,)))

    return on_machine


def test_series_are_compared_on_as_many_cores(on):
    assert found(on("n4-highcpu-8"), on("c3d-highcpu-8")) == [("series", "C3D → N4")]
    assert found(on("n4-highcpu-8"), on("c4-highcpu-16")) == []
    # A vCPU of T2D is a core.
    assert found(on("n2d-standard-8"), on("t2d-standard-8")) == []
    assert found(on("n2d-standard-8"), on("t2d-standard-4")) == [("series", "N2D → T2D")]


def test_another_series_is_no_effect_of_another_factor(on):
    assert found(on("n4-highcpu-8", inter_op=2), on("c3d-highcpu-8", inter_op=8)) == []
    assert found(on("n4-highcpu-8", nodes=2), on("c3d-highcpu-4", nodes=4)) == []
    assert found(on("n4-highcpu-8"), on("n4-standard-8")) == [("memory", "16 GB → 32 GB")]


def test_every_factor_is_found(at_load, batching):
    base = at_load("base")
    assert found(base, at_load("b", batching=batching)) == [("batching", "no batching → batches of up to 128")]
    limited = at_load("l", cpu_limit=6.0)
    assert found(limited, base) == [("cpu_limit", "no CPU limit → CPU limit of 6 vCPUs")]
    assert found(limited, at_load("l", cpu_limit=4.0)) == [("cpu_limit", "CPU limit of 4 vCPUs → CPU limit of 6 vCPUs")]
    without = at_load("o", one_dnn=False)
    assert found(base, without) == [("one_dnn", "oneDNN off → oneDNN by default")]
    assert found(at_load("o", one_dnn=True), without) == [("one_dnn", "oneDNN off → oneDNN on")]
    faithful = at_load("f", seed_faithful=True)
    published = [("seed_faithful", "deployed as published → with requests, probes and a memory limit")]
    assert found(at_load("c", seed_faithful=False, rest_threads=32), faithful) == published
    assert found(base, at_load("g", protocol="grpc")) == [("protocol", "rest → grpc")]
    computation = Computation(precision="float32", largest_difference=1e-7)
    openvino = at_load("v", server="shapebench-openvino", server_version="1", computation=computation)
    assert found(openvino, at_load("e", server="shapebench-embedded", server_version="2")) == [
        ("server", "shapebench's embedded server → OpenVINO in shapebench's server")
    ]
    threaded = at_load("w", rest_threads=32)
    triton = {"server": "nvcr.io/nvidia/tritonserver", "server_version": "26.10-py3", "server_args": ("--x", "{model}")}
    assert found(threaded, at_load("i", **triton)) == [
        ("server", "nvcr.io/nvidia/tritonserver --x {model} → TensorFlow Serving")
    ]
    assert found(at_load("i", **triton), at_load("j", **triton | {"server_args": ("{model}",)})) == [
        ("server", "nvcr.io/nvidia/tritonserver --x {model} → nvcr.io/nvidia/tritonserver {model}")
    ]
    over_v2 = at_load("2", protocol="v2-rest")
    assert found(base, over_v2) == [("protocol", "rest → v2-rest")]
    assert found(base, at_load("t", intra_op=4)) == [("intra_op", "intra_op 4 → intra_op 8")]
    assert found(base, at_load("m", stack="8cpu-64gb")) == [("memory", "16 GB → 64 GB")]
    assert found(at_load("s", stack="2cpu-4gb"), base) == [("shape", "8 × 2 vCPUs → 2 × 8 vCPUs")]


def test_request_threads_that_follow_from_a_factor_are_no_other_difference(at_load, batching):
    base = at_load("base", rest_threads=32, grpc_threads=1024)
    [(factor, _)] = found(base, at_load("b", batching=batching, rest_threads=256, grpc_threads=4096))
    assert factor == "batching"
    [(factor, _)] = found(base, at_load("s", stack="2cpu-4gb", rest_threads=8, grpc_threads=1024))
    assert factor == "shape"
    assert found(base, at_load("t", rest_threads=16)) == []


def test_shapes_compare_only_with_as_much_of_everything_in_all(at_load):
    assert found(at_load("s", stack="2cpu-4gb"), at_load("m", stack="8cpu-64gb")) == []
    assert found(at_load("s", stack="2cpu-4gb"), at_load("i", intra_op=2)) == []


def test_a_run_that_contradicts_a_search_confirms_no_claim(searched, bounded):
    """As a closed loop that queued while other programs used the machine: its bound was below the search's value."""
    objective = Objective(quantile=0.9, latency_ms=500, errors=0.01)
    runs = [searched(4.9, sure=0.2, inter_op=1), searched(6.6, sure=0.2, inter_op=2)]
    undecided = verdict_of(runs, objective)
    contradicted = verdict_of([*runs, bounded(high=3.6, inter_op=1)], objective)
    for verdict in (undecided, contradicted):
        [claim] = [claim for claim in claims(effects(verdict.ranking)) if claim.claim == "inter_op needs tuning"]
        assert claim.finding is ClaimFinding.undecided
    # The same run beside the variant's own search must not decide the ranking either.
    assert [each.standing.may_be_best for each in contradicted.ranking] == [True, True]
    assert "contradict each other" in paragraph(contradicted)
    assert "contradict each other" not in paragraph(undecided)
    assert any("contradict each other" in step.why for step in contradicted.next)


def published(at_load, **goodput):
    """The published experiment's variants, by stack and inter_op."""
    return [
        at_load(
            f"{stack} {inter_op}", goodput.get(f"{stack[:4]}_{inter_op}", 50), 0.005, stack=stack, inter_op=inter_op
        )
        for stack in ("2cpu-4gb", "8cpu-16gb")
        for inter_op in (2, 8)
    ] + [at_load(f"64 {inter_op}", 50, 0.005, stack="8cpu-64gb", inter_op=inter_op) for inter_op in (2, 8)]


def judged(variants):
    return [claim.finding for claim in claims(effects(variants))]


def test_a_claim_is_confirmed_or_refuted_only_by_certain_differences(at_load):
    confirmed, refuted, undecided = ClaimFinding.confirmed, ClaimFinding.refuted, ClaimFinding.undecided
    assert judged(published(at_load)) == [undecided, confirmed, refuted]
    assert judged(published(at_load, **{"2cpu_2": 40, "2cpu_8": 40})) == [confirmed, confirmed, refuted]
    assert judged(published(at_load, **{"2cpu_2": 60, "2cpu_8": 60})) == [refuted, confirmed, refuted]
    assert judged(published(at_load, **{"8cpu_2": 30})) == [refuted, refuted, confirmed]
    assert judged(published(at_load, **{"8cpu_2": 30, "8cpu_8": 70})) == [undecided, refuted, confirmed]


def test_not_to_see_a_difference_is_not_to_know_that_there_is_none(at_load, known_to):
    vague = [at_load("16", sure=0.2), at_load("64", sure=0.2, stack="8cpu-64gb"), at_load("16 8", sure=0.2, inter_op=8)]
    assert judged(vague) == [ClaimFinding.undecided] * 3


def test_a_claim_without_a_pair_says_which_pairs_it_needs(at_load):
    for claim in claims(effects([at_load()])):
        assert claim.finding is ClaimFinding.undecided
        assert "no two variants differ in" in claim.why


def test_a_claim_from_single_runs_says_so(at_load):
    [_, memory, _] = claims(effects([at_load("16", runs=1), at_load("64", runs=3, stack="8cpu-64gb")]))
    assert "one run" in memory.why


def test_every_pair_is_looked_at_once(at_load):
    variants = published(at_load)
    pairs = {frozenset((effect.before.variant.label, effect.after.variant.label)) for effect in effects(variants)}
    assert len(pairs) == len(effects(variants)) <= len(list(combinations(variants, 2)))
