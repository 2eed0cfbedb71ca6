from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.capacity.evidence import Basis, Evidence
from analysis.comparability import UNKNOWN_CPU, comparison_group, comparison_key, cpus, differences, largest_group
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.report.comparison import cpus_table
from analysis.results.schema.manifest import Machine, Manifest, Repeat, Replica
from analysis.statistics.spread import repeats_of
from analysis.statistics.within import RunFigures
from analysis.verdict.text import paragraph
from analysis.verdict.verdict import Judged, Verdict, verdict_of
from bench.stores.synthetic import make_manifest
from stacks.load.load_profiles import PROFILES

XEON = {"cpu_vendor": "GenuineIntel", "cpu_model": "Intel(R) Xeon(R) CPU @ 2.20GHz"}
BROADWELL = XEON | {"cpu_signature": "family 6, model 79, stepping 0"}
ROME = {
    "cpu_vendor": "AuthenticAMD",
    "cpu_model": "AMD EPYC 7B12",
    "cpu_signature": "family 23, model 49, stepping 0",
}
BROADWELL_NAME = "Intel(R) Xeon(R) CPU @ 2.20GHz (GenuineIntel, family 6, model 79, stepping 0)"
ROME_NAME = "AMD EPYC 7B12 (AuthenticAMD, family 23, model 49, stepping 0)"


def a_run(*machines: dict[str, str], inter_op: int = 4, load: str = "smoke", **changes: Any) -> Manifest:
    """A run on GKE of a variant with this inter_op, a replica on each of these machines."""
    replicas = tuple(Replica(name=f"s{at}", **machine) for at, machine in enumerate(machines))
    made = make_manifest(PROFILES[load], replicas=replicas, **changes)
    return made.model_copy(update={"serving": made.serving.model_copy(update={"inter_op": inter_op})})


def served(run: Manifest, **changes: Any) -> Manifest:
    return run.model_copy(update={"serving": run.serving.model_copy(update=changes)})


def modelled(run: Manifest, **changes: Any) -> Manifest:
    return served(run, model=run.serving.model.model_copy(update=changes))


def loaded(run: Manifest, **changes: Any) -> Manifest:
    return run.model_copy(update={"generator": run.generator.model_copy(update=changes)})


BASE = a_run(BROADWELL, BROADWELL)


@pytest.mark.parametrize(
    ("other", "own", "others", "fix"),
    [
        (
            a_run(ROME, ROME),
            "on AMD EPYC 7B12,",
            "on Intel(R) Xeon(R) CPU @ 2.20GHz;",
            "on one CPU model (docs/verdict.md says how)",
        ),
        (
            modelled(BASE, requests="classify ids int32 [1, 32] from 0 to 1"),
            "the model resnet, sent classify ids int32 [1, 32] from 0 to 1,",
            "the model resnet;",
            "with one model",
        ),
        (a_run(), UNKNOWN_CPU, "2.20GHz;", "on one CPU model (docs/verdict.md says how)"),
        (
            a_run(BROADWELL, ROME),
            "on AMD EPYC 7B12 (1/2 of the servers) and Intel(R) Xeon(R) CPU @ 2.20GHz (1/2 of the servers),",
            "on Intel(R) Xeon(R) CPU @ 2.20GHz;",
            "on one CPU model (docs/verdict.md says how)",
        ),
        (
            a_run(*[BROADWELL | {"cpu_signature": "family 6, model 79, stepping 1"}] * 2),
            "model 79, stepping 1)",
            "model 79, stepping 0)",
            "on one CPU model (docs/verdict.md says how)",
        ),
        (
            a_run(*[BROADWELL | {"cpu_vendor": "AuthenticAMD"}] * 2),
            "(AuthenticAMD, family 6",
            "(GenuineIntel,",
            "on one",
        ),
        (
            modelled(BASE, digest="sha256:" + "00" * 32),
            "files sha256:000000000000,",
            "sha256:5e5e5e5e5e5e;",
            "model files",
        ),
        (modelled(BASE, weights="random"), "random weights", "imagenet weights", "with the same weights"),
        (modelled(BASE, name="bert"), "the model bert", "the model resnet", "with one model"),
        (modelled(BASE, instances=4.0), "the model resnet, 4 predictions a request", "resnet;", "with one model"),
        (served(BASE, server_version="2.21.0"), "Serving 2.21.0", "Serving 2.20.0", "with one server version"),
        (served(BASE, server="shapebench-embedded"), "embedded server 2.20.0", "TensorFlow Serving 2.20.0", "server"),
        (served(BASE, image="i@sha256:1"), "image sha256:1,", "tensorflow/serving:2.20.0", "with one server image"),
        (loaded(BASE, kind="locust 2.0"), "generator locust 2.0 on", "generator locust on", "with the same generator"),
        (loaded(BASE, shares_host_with_server=True), "the machine of a server", "a machine of its own", "generator"),
        (BASE.model_copy(update={"platform": "kubernetes"}), "an existing cluster", "GKE", "on one platform"),
    ],
)
def test_a_run_under_another_condition_does_not_compare_and_the_reason_names_both(other, own, others, fix):
    assert comparison_key(other) != comparison_key(BASE)
    assert comparison_group(other) != comparison_group(BASE)
    (reason,) = differences(other, BASE)
    ran, compares = reason.split(", so it does not compare with runs ")
    assert ran.startswith("it ran ")
    assert own in f"{ran},"
    assert others in f"runs {compares}"
    assert fix in compares.partition("; run both ")[2]


def test_every_difference_is_said_but_on_another_platform_that_one_alone():
    other = modelled(a_run(ROME, ROME), weights="random", digest="sha256:00")
    assert len(differences(other, BASE)) == 3
    assert len(differences(other.model_copy(update={"platform": "local"}), BASE)) == 1


def test_what_an_experiment_varies_is_no_condition():
    other = a_run(*[BROADWELL] * 8, inter_op=8, load="seed", stack="2cpu-4gb", machine_type="e2-custom-2-4096", nodes=8)
    moved = tuple(replica.model_copy(update={"node": "n", "kernel": "6.6"}) for replica in other.replicas)
    other = loaded(other, machine=Machine(**ROME)).model_copy(update={"replicas": moved, "git_commit": None})
    assert comparison_key(other) == comparison_key(BASE)
    assert differences(other, BASE) == ()


def test_an_image_is_the_same_whichever_registry_it_is_from():
    mirrored = served(BASE, image="mirror/tf@sha256:" + "1" * 64)
    assert differences(mirrored, served(BASE, image="docker.io/tensorflow/serving@sha256:" + "1" * 64)) == ()


def test_servers_on_several_cpu_models_compare_in_equal_shares_whatever_their_number():
    assert cpus(a_run(ROME, BROADWELL)) == cpus(a_run(BROADWELL, BROADWELL, ROME, ROME))
    assert cpus(a_run(ROME, BROADWELL)) != cpus(a_run(BROADWELL, BROADWELL, ROME))


def test_unknown_compares_with_unknown_as_before_and_partly_unknown_with_neither():
    assert differences(a_run(), a_run()) == ()
    partly = a_run(BROADWELL, {})
    assert cpus(partly) == f"{BROADWELL_NAME} (1/2 of the servers) and {UNKNOWN_CPU} (1/2 of the servers)"
    assert differences(partly, BASE)
    assert differences(partly, a_run())


MACHINES = st.sampled_from([(), (BROADWELL, BROADWELL), (ROME, ROME), (ROME, BROADWELL)])
RUNS = st.lists(st.tuples(MACHINES, st.sampled_from([2, 4, 8]), st.floats(20, 90)), min_size=1, max_size=9)


def measured(runs: list[tuple[Any, int, float]], platform: str = "kubernetes") -> list[Judged]:
    """Runs with these machines and inter_op that searched, each with a capacity that is known to 2 %."""
    found = []
    for machines, inter_op, rps in runs:
        run = a_run(*machines, inter_op=inter_op, load="capacity", platform=platform)
        found.append(Judged(run, (), Evidence(run.run_id, Basis.search, Interval(rps, rps * 0.98, rps * 1.02))))
    return found


def judged(runs: list[Judged]) -> Verdict:
    return verdict_of(runs, Objective(latency_ms=500))


@settings(max_examples=30)
@given(RUNS, st.randoms())
def test_the_order_of_the_runs_does_not_matter(runs, random):
    found = measured(runs)
    shuffled = random.sample(found, len(found))
    one, other = judged(shuffled), judged(found)
    assert [each.label for each in one.ranking] == [each.label for each in other.ranking]
    assert one.excluded == other.excluded


@settings(max_examples=30)
@given(RUNS)
def test_a_run_under_other_conditions_changes_no_figure_and_no_rank_of_the_ranked(runs):
    found = measured(runs)
    verdict = judged(found)
    ranked = {manifest.run_id for each in verdict.ranking for manifest in each.variant.manifests}
    assert len({comparison_key(manifest) for run in found if (manifest := run.manifest).run_id in ranked}) == 1
    assert judged([run for run in found if run.manifest.run_id in ranked]).ranking == verdict.ranking
    assert {manifest.run_id for manifest, _ in verdict.excluded} == {run.manifest.run_id for run in found} - ranked
    assert all(reasons for _, reasons in verdict.excluded)


@given(RUNS)
def test_the_group_with_the_most_variants_is_compared(runs):
    manifests = [run.manifest for run in measured(runs)]
    chosen, others = largest_group(manifests, lambda run: run.serving.inter_op)
    groups: dict[tuple[str, ...], set[int]] = {}
    for manifest in manifests:
        groups.setdefault(comparison_key(manifest), set()).add(manifest.serving.inter_op)
    assert len({run.serving.inter_op for run in chosen}) == max(map(len, groups.values()))
    assert len(chosen) + len(others) == len(manifests)


def test_runs_that_are_left_out_for_their_cpus_are_named_with_the_models_of_both_sides_and_the_reason():
    xeons, epycs = (BROADWELL, BROADWELL), (ROME, ROME)
    found = measured([(epycs, 8, 60), (epycs, 2, 50), (epycs, 2, 51), (xeons, 2, 50), (xeons, 4, 40)])
    verdict = judged(found)
    assert verdict.conditions["cpu"] == BROADWELL_NAME
    assert [[run.run_id for run in each.manifests] for each in verdict.left_out] == [
        [found[0].manifest.run_id],
        [found[1].manifest.run_id, found[2].manifest.run_id],
    ]
    text = paragraph(verdict)
    assert "3 runs are not ranked" in text
    why = (
        "left out of the ranking, because {} ran on AMD EPYC 7B12, and the ranked runs on Intel(R) Xeon(R) CPU @"
        " 2.20GHz: a capacity holds for the CPU models that it was measured on, in their shares of the servers."
    )
    assert f"1 run of 8cpu-16gb · interop8 is {why.format('it')}" in text
    assert f"2 runs of 8cpu-16gb · interop2 are {why.format('they')}" in text
    assert text.count("To compare them, run all variants on the same CPU models (docs/verdict.md says how).") == 1
    assert "is not in the ranking" not in text
    assert "unknown CPU model" not in text


def test_the_shares_of_both_sides_are_said_where_servers_have_several_cpu_models():
    mixed, other_mix = (ROME, BROADWELL), (ROME, ROME, ROME, BROADWELL)
    verdict = judged(measured([(mixed, 2, 50), (mixed, 4, 40), (other_mix, 8, 60)]))
    (left_out,) = verdict.left_out
    assert "ran on AMD EPYC 7B12 (3/4 of the servers) and Intel(R) Xeon(R) CPU @ 2.20GHz (1/4 of the servers)" in (
        left_out.why
    )
    assert "the ranked runs on AMD EPYC 7B12 (1/2 of the servers) and Intel" in left_out.why
    told = left_out.to_dict()
    assert told["cpu_shares"] == {ROME_NAME: 0.75, BROADWELL_NAME: 0.25}
    assert told["ranked_cpu_shares"] == {ROME_NAME: 0.5, BROADWELL_NAME: 0.5}
    assert (told["label"], told["stack"], told["why"]) == ("8cpu-16gb · interop8", "8cpu-16gb", left_out.why)


def test_a_run_that_differs_in_more_than_its_cpus_is_not_left_out_for_them_alone():
    found = measured([((BROADWELL,), 2, 50), ((BROADWELL,), 4, 40), ((ROME,), 8, 60)])
    run = modelled(found[2].manifest, weights="random")
    verdict = judged([*found[:2], Judged(run, (), found[2].said)])
    assert verdict.left_out == ()
    assert "8cpu-16gb · interop8 is not in the ranking: it ran with random weights" in paragraph(verdict)


def test_where_nothing_is_ranked_nothing_is_left_out():
    assert judged([]).left_out == ()


def test_the_verdict_says_where_it_does_not_know_the_cpu_and_counts_what_it_does_not_name():
    found = measured([((), 4, 40), ((), 2, 50), ((ROME,), 8, 60)])
    assert "Some or all of the ranked servers ran on an unknown CPU model, so their CPUs may differ" in paragraph(
        judged(found)
    )
    others = [((ROME,), inter_op, 60) for inter_op in range(11, 16)]
    xeons = [((BROADWELL,), inter_op, 50) for inter_op in range(1, 8)]
    found = measured(others + xeons)
    text = paragraph(judged(found))
    assert text.count("left out of the ranking, because it ran on") == 3
    assert "2 more such groups of runs are left out, too." in text
    with_random_weights = [Judged(modelled(each.manifest, weights="random"), (), each.said) for each in found[:5]]
    text = paragraph(judged([*with_random_weights, *found[5:]]))
    assert text.count("is not in the ranking: ") == 3
    assert "2 more variants are not in the ranking either." in text


def test_repeats_that_moved_to_another_cpu_are_spread_of_their_own():
    first = a_run(ROME, ROME)
    found = []
    for at, (machines, rps) in enumerate([((ROME, ROME), 40), ((BROADWELL, BROADWELL), 80)] * 2, 1):
        run = a_run(*machines).model_copy(update={"repeat": Repeat(group=first.run_id, index=at, of=4)})
        known = Interval(rps, rps * 0.98, rps * 1.02)
        found.append((run, (RunFigures(run.run_id, 1000, known, Interval(0, 0, 0.001), {0.99: known}), [])))
    assert sorted(each.spreads[0].median for each in repeats_of(found)) == [40, 80]


def gke(*runs: tuple[Any, int, float]) -> list[Judged]:
    """Searches on GKE, each on new nodes with these CPUs."""
    found = []
    for run in measured(list(runs), "gke"):
        manifest = run.manifest
        replicas = tuple(
            replica.model_copy(update={"node": f"{manifest.run_id} {replica.name}"}) for replica in manifest.replicas
        )
        found.append(Judged(manifest.model_copy(update={"replicas": replicas}), (), run.said))
    return found


def test_on_gke_a_cpu_that_came_by_chance_leaves_no_run_out_and_the_cost_is_expected_over_the_models():
    xeons, epycs, mixed = (BROADWELL, BROADWELL), (ROME, ROME), (ROME, BROADWELL)
    verdict = judged(gke((xeons, 4, 40), (epycs, 4, 56), (mixed, 4, 41), (epycs, 4, 56), (xeons, 4, 40)))
    [ranked] = verdict.ranking
    assert verdict.excluded == verdict.left_out == ()
    assert ranked.runs == 5
    assert verdict.conditions["cpu"] == f"{ROME_NAME} or {BROADWELL_NAME}"
    on = {each["cpu"]: each for each in ranked.to_dict()["cpus"]}
    assert {cpu: each["nodes"] for cpu, each in on.items()} == {ROME_NAME: 5, BROADWELL_NAME: 5}
    assert on[ROME_NAME]["capacity_rps"]["value"] == pytest.approx(56, rel=0.02)
    rome, xeon = (on[cpu]["usd_per_million"]["value"] for cpu in (ROME_NAME, BROADWELL_NAME))
    assert rome < ranked.usd_per_million.value < xeon
    text = paragraph(verdict)
    assert f"USD on {ROME_NAME} (50 % of the nodes)" in text
    assert "is expected over the CPU models that nodes of E2 in us-central1 get by chance, of which 10 nodes" in text
    table = cpus_table(verdict.ranking)
    assert [row[1] for row in table.rows] == list(on)


def test_the_ranking_does_not_hang_on_which_cpu_came():
    """The variant with 2 threads is slower on either CPU model, but its runs drew the faster one."""
    xeons, epycs = (BROADWELL, BROADWELL), (ROME, ROME)
    lucky = [(epycs, 2, 50)] * 3 + [(xeons, 2, 36)]
    unlucky = [(xeons, 4, 40)] * 3 + [(epycs, 4, 56)]
    assert [each.variant.newest.serving.inter_op for each in judged(gke(*lucky, *unlucky)).ranking] == [4, 2]


def test_a_cpu_that_the_series_has_and_no_run_saw_is_said_and_allowed_for():
    verdict = judged(gke(((ROME, ROME), 4, 56), ((ROME, ROME), 4, 56)))
    [ranked] = verdict.ranking
    assert [each["cpu"] for each in ranked.to_dict()["cpus"]] == [ROME_NAME, None]
    assert "E2 in us-central1 is known to have another CPU model, which no run saw: up to" in paragraph(verdict)
    on_any_cluster = judged(measured([((ROME, ROME), 4, 56), ((ROME, ROME), 4, 56)])).ranking[0]
    assert on_any_cluster.capacity.cpus == ()
    assert on_any_cluster.usd_per_million.high < ranked.usd_per_million.high


def test_a_fleet_is_sized_by_the_slowest_cpu_that_was_seen():
    xeons, epycs = (BROADWELL, BROADWELL), (ROME, ROME)
    capacity = judged(gke((xeons, 4, 40), (epycs, 4, 56), (epycs, 4, 56), (xeons, 4, 40))).ranking[0].capacity
    assert capacity.certain_rps < 40 < capacity.rps.low
    assert capacity.certain_rps == min(each.rps.low for each in capacity.cpus)
