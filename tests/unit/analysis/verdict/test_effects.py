from itertools import combinations

import pytest

from analysis.verdict.claims import Finding, claims
from analysis.verdict.effects import effects


def found(*variants):
    return [(each.factor, each.change) for each in effects(variants)]


def test_a_pair_that_differs_in_one_factor_shows_what_it_changed(ranked):
    before, after = ranked("a", 50, inter_op=2), ranked("b", 60, inter_op=8)
    [effect] = effects([after, before])
    assert (effect.factor, effect.change) == ("inter_op", "inter_op 2 → inter_op 8")
    assert effect.ratio("goodput_rps").value == pytest.approx(1.2)
    assert effect.ratio("usd_per_million_good").value == pytest.approx(1 / 1.2)


def test_a_pair_that_differs_in_two_factors_shows_nothing(ranked, batching):
    assert found(ranked("a", inter_op=2), ranked("b", inter_op=8, batching=batching)) == []


def test_every_factor_is_found(ranked, batching):
    base = ranked("base")
    assert found(base, ranked("b", batching=batching)) == [("batching", "no batching → batches of up to 128")]
    limited = ranked("l", cpu_limit=6.0)
    assert found(limited, base) == [("cpu_limit", "no CPU limit → CPU limit of 6 vCPUs")]
    assert found(limited, ranked("l", cpu_limit=4.0)) == [("cpu_limit", "CPU limit of 4 vCPUs → CPU limit of 6 vCPUs")]
    faithful = ranked("f", seed_faithful=True)
    published = [("seed_faithful", "deployed as published → with requests, probes and a memory limit")]
    assert found(ranked("c", seed_faithful=False, rest_threads=32), faithful) == published
    assert found(base, ranked("g", protocol="grpc")) == [("protocol", "rest → grpc")]
    assert found(base, ranked("t", intra_op=4)) == [("intra_op", "intra_op 4 → intra_op 8")]
    assert found(base, ranked("m", stack="8cpu-64gb")) == [("memory", "16 GB → 64 GB")]
    assert found(ranked("s", stack="2cpu-4gb"), base) == [("shape", "8 × 2 vCPUs → 2 × 8 vCPUs")]


def test_request_threads_that_follow_from_a_factor_are_no_other_difference(ranked, batching):
    base = ranked("base", rest_threads=32, grpc_threads=1024)
    [(factor, _)] = found(base, ranked("b", batching=batching, rest_threads=256, grpc_threads=4096))
    assert factor == "batching"
    [(factor, _)] = found(base, ranked("s", stack="2cpu-4gb", rest_threads=8, grpc_threads=1024))
    assert factor == "shape"
    assert found(base, ranked("t", rest_threads=16)) == []


def test_shapes_compare_only_with_as_much_of_everything_in_all(ranked):
    assert found(ranked("s", stack="2cpu-4gb"), ranked("m", stack="8cpu-64gb")) == []
    assert found(ranked("s", stack="2cpu-4gb"), ranked("i", intra_op=2)) == []


def published(ranked, **goodput):
    """The published experiment's variants, by stack and inter_op."""
    return [
        ranked(f"{stack} {inter_op}", goodput.get(f"{stack[:4]}_{inter_op}", 50), 0.005, stack=stack, inter_op=inter_op)
        for stack in ("2cpu-4gb", "8cpu-16gb")
        for inter_op in (2, 8)
    ] + [ranked(f"64 {inter_op}", 50, 0.005, stack="8cpu-64gb", inter_op=inter_op) for inter_op in (2, 8)]


def judged(variants):
    return [each.finding for each in claims(effects(variants))]


def test_a_claim_is_confirmed_or_refuted_only_by_certain_differences(ranked):
    confirmed, refuted, undecided = Finding.confirmed, Finding.refuted, Finding.undecided
    assert judged(published(ranked)) == [undecided, confirmed, refuted]
    assert judged(published(ranked, **{"2cpu_2": 40, "2cpu_8": 40})) == [confirmed, confirmed, refuted]
    assert judged(published(ranked, **{"2cpu_2": 60, "2cpu_8": 60})) == [refuted, confirmed, refuted]
    assert judged(published(ranked, **{"8cpu_2": 30})) == [refuted, refuted, confirmed]
    assert judged(published(ranked, **{"8cpu_2": 30, "8cpu_8": 70})) == [undecided, refuted, confirmed]


def test_not_to_see_a_difference_is_not_to_know_that_there_is_none(ranked, known_to):
    vague = [ranked("16", sure=0.2), ranked("64", sure=0.2, stack="8cpu-64gb"), ranked("16 8", sure=0.2, inter_op=8)]
    assert judged(vague) == [Finding.undecided] * 3


def test_a_claim_without_a_pair_says_which_pairs_it_needs(ranked):
    for claim in claims(effects([ranked()])):
        assert claim.finding is Finding.undecided
        assert "no two variants differ in" in claim.why


def test_a_claim_from_single_runs_says_so(ranked):
    [_, memory, _] = claims(effects([ranked("16", runs=1), ranked("64", runs=3, stack="8cpu-64gb")]))
    assert "one run" in memory.why


def test_every_pair_is_looked_at_once(ranked):
    variants = published(ranked)
    pairs = {frozenset((each.before.label, each.after.label)) for each in effects(variants)}
    assert len(pairs) == len(effects(variants)) <= len(list(combinations(variants, 2)))
