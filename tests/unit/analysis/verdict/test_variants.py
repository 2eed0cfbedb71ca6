from analysis.comparability import comparison_group
from analysis.results.schema.manifest import Computation, Replica
from analysis.results.storage.store import new_run_id
from analysis.verdict.variants import comparable, variant_key, variants_of


def labels(manifests):
    return [variant.label for variant in comparable(manifests)[0]]


def test_runs_with_the_same_settings_are_repeats_of_one_variant(manifest):
    [variant], _ = comparable([manifest(), manifest()])
    assert len(variant.manifests) == 2
    assert variant.label == "8cpu-16gb · interop4"


def test_every_setting_makes_another_variant(manifest, batching):
    runs = [
        manifest(),
        manifest("2cpu-4gb"),
        manifest(inter_op=8),
        manifest(intra_op=2),
        manifest(batching=batching),
        manifest(cpu_limit=1.5),
        manifest(cpu_limit=2.0),
        manifest(one_dnn=True),
        manifest(one_dnn=False),
        manifest(protocol="grpc"),
        manifest(seed_faithful=True),
        manifest(rest_threads=32, seed_faithful=False),
        manifest(rest_threads=256, seed_faithful=False),
    ]
    found = labels(runs)
    assert len(found) == len(set(found)) == len(runs)
    assert "2cpu-4gb · interop4" in found
    assert "8cpu-16gb · interop8" in found
    assert "8cpu-16gb · interop4-seedfaithful" in found
    assert {"8cpu-16gb · interop4-onednn-on", "8cpu-16gb · interop4-onednn-off"} < set(found)
    assert {label.rpartition(" · ")[2] for label in found if "threads" in label} == {
        "REST threads not recorded", "REST threads 32", "REST threads 256"
    }  # fmt: skip
    assert {label for label in found if "limit" in label} == {
        "8cpu-16gb · interop4-cpulimit1.5", "8cpu-16gb · interop4-cpulimit2"
    }  # fmt: skip


def test_one_stack_on_two_shapes_is_two_variants_that_are_named_by_their_shapes(manifest):
    of_eight = manifest("2cpu-4gb")
    of_two = of_eight.model_copy(
        update={"run_id": new_run_id(), "shape": of_eight.shape.model_copy(update={"nodes": 2})}
    )
    assert labels([of_eight, of_two]) == [
        "2cpu-4gb · interop4 · 8 × e2-custom-2-4096",
        "2cpu-4gb · interop4 · 2 × e2-custom-2-4096",
    ]


EMBEDDED, OPENVINO = "shapebench-embedded", "shapebench-openvino"


def test_two_servers_are_variants_that_are_ranked_together_and_named_by_their_servers(manifest):
    variants, excluded = comparable(
        [manifest(server=EMBEDDED, server_version="1"), manifest(server=OPENVINO, server_version="7")]
    )
    assert excluded == ()
    assert [variant.label for variant in variants] == [
        "8cpu-16gb · interop4 · shapebench's embedded server",
        "8cpu-16gb · interop4 · OpenVINO in shapebench's server",
    ]


def test_another_precision_is_another_variant_and_digits_of_the_difference_are_not(manifest):
    def computed(precision, difference):
        return manifest(server=OPENVINO, computation=Computation(precision=precision, largest_difference=difference))

    runs = [computed("float32", 1e-7), computed("float32", 2e-7), computed("bfloat16", 1e-7)]
    assert variant_key(runs[0]) == variant_key(runs[1]) != variant_key(runs[2])
    assert len({comparison_group(run) for run in runs}) == 1


def test_of_each_server_the_runs_of_one_build_are_ranked(manifest):
    old = manifest(server=EMBEDDED, server_version="1")
    new = [manifest(server=EMBEDDED, server_version="2", inter_op=each) for each in (2, 4)]
    other = manifest(server=OPENVINO, server_version="1")
    variants, [(left_out, [why])] = comparable([old, *new, other])
    assert {run.run_id for variant in variants for run in variant.manifests} == {each.run_id for each in (*new, other)}
    assert left_out is old
    assert (
        "with shapebench's embedded server 1, so it does not compare with runs with shapebench's embedded server 2"
        in why
    )


def test_the_load_is_no_condition_since_every_load_says_something_of_the_same_capacity(manifest):
    [variant], excluded = comparable([manifest(load="capacity"), manifest(load="open")])
    assert len(variant.manifests) == 2
    assert excluded == ()


def test_threads_for_grpc_are_a_quota_and_make_no_other_variant(manifest):
    [variant], _ = comparable([manifest(grpc_threads=1024), manifest(grpc_threads=4096)])
    assert len(variant.manifests) == 2


def test_of_equally_many_the_newest_are_compared(manifest):
    older, newer = manifest(), manifest().model_copy(update={"platform": "kubernetes"})
    variants, [(left, _)] = comparable([older, newer])
    assert variants[0].newest == newer
    assert left == older


def test_this_machine_never_compares_with_a_cluster(manifest):
    local = [manifest(inter_op=inter_op).model_copy(update={"platform": "local"}) for inter_op in (2, 4, 8)]
    variants, excluded = comparable([*local, manifest()])
    assert len(variants) == 1
    assert {why for _, why in excluded} == {
        ("it ran on this machine, so it does not compare with runs on GKE; run both on one platform",)
    }
    assert len(comparable(local)[0]) == 3


def test_another_model_does_not_compare(manifest):
    run = manifest("2cpu-4gb")
    other = manifest(model=run.serving.model.model_copy(update={"name": "bert"}))
    _, [(_, (why,))] = comparable([other, run])
    assert "bert" in why


def test_no_runs_are_no_variants():
    assert comparable([]) == ((), ())


def on(cpu, run):
    return run.model_copy(update={"replicas": tuple(Replica(name=f"s{at}", cpu_model=cpu) for at in range(2))})


def test_of_all_its_runs_a_variant_has_one_line_for_each_set_of_conditions_and_its_name_says_which(manifest):
    runs = [on("Xeon", manifest()), on("EPYC", manifest()), on("Xeon", manifest())]
    assert {variant.label: len(variant.manifests) for variant in variants_of(runs)} == {
        "8cpu-16gb · interop4 · intraop8 · Xeon": 2,
        "8cpu-16gb · interop4 · intraop8 · EPYC": 1,
    }
