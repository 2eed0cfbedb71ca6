from dataclasses import replace

import pytest

from analysis.results.run.bottleneck import CpuUse, Part, bottleneck_of

RESTING = CpuUse(cores=0.05, most_cores=2, busy_share=0, throttled_ratio=None)
IDLE_SERVER = CpuUse(cores=0.4, most_cores=2, busy_share=0, throttled_ratio=None)
MACHINE = CpuUse(cores=0.5, most_cores=2, busy_share=0, throttled_ratio=None)


def test_a_server_that_uses_all_its_cores_was_the_bottleneck():
    found = bottleneck_of(replace(IDLE_SERVER, cores=1.9), RESTING, replace(MACHINE, cores=2), threads=2)
    assert found.part is Part.server
    assert found.sentence == "The server was the bottleneck: it used 1.90 of 2 cores."


def test_a_server_whose_threads_are_all_busy_was_the_bottleneck_though_cores_are_left():
    found = bottleneck_of(replace(IDLE_SERVER, cores=0.98, most_cores=4), RESTING, None, threads=1)
    assert found.part is Part.server
    assert found.sentence == "The server was the bottleneck: it used 0.98 of 4 cores, with 1 thread for the model."


def test_more_threads_than_cores_do_not_hide_that_the_cores_are_used_up():
    assert bottleneck_of(replace(IDLE_SERVER, cores=1.9), RESTING, None, threads=16).part is Part.server


def test_a_throttled_server_was_the_bottleneck_however_little_it_uses():
    throttled = replace(IDLE_SERVER, most_cores=0.5, throttled_ratio=0.6)
    found = bottleneck_of(throttled, RESTING, None, threads=2)
    assert found.part is Part.server
    assert "throttled it in 60% of all periods" in found.sentence


def test_of_several_replicas_the_most_throttled_one_is_reported():
    pair = replace(IDLE_SERVER, most_cores=3, throttled_ratio=0.6, replicas=2)
    assert bottleneck_of(pair, RESTING, None, threads=4).sentence == (
        "The server was the bottleneck: the CPU limit of 1.5 cores throttled one of 2 replicas in 60% of all periods."
    )


@pytest.mark.parametrize(("ratio", "said"), [(None, False), (0.0, False), (0.004, False), (0.03, True)])
def test_a_little_throttling_is_reported_with_the_cores(ratio, said):
    throttling = " of 2 cores (its CPU limit of 2 cores throttled it in 3% of all periods)"
    for cores, part in ((0.4, Part.none), (1.9, Part.server)):
        found = bottleneck_of(replace(IDLE_SERVER, cores=cores, throttled_ratio=ratio), RESTING, None, threads=2)
        assert found.part is part
        assert (throttling in found.sentence) == said


def test_a_busy_generator_was_the_bottleneck_whatever_the_server_did():
    busy = replace(RESTING, cores=0.95, busy_share=0.4)
    for server in (replace(IDLE_SERVER, cores=2), IDLE_SERVER, None):
        found = bottleneck_of(server, busy, MACHINE, threads=2)
        assert found.part is Part.generator
        assert "in 40% of the seconds" in found.sentence


def test_a_machine_whose_cores_other_programs_used_was_the_bottleneck():
    found = bottleneck_of(replace(IDLE_SERVER, cores=1.2), RESTING, replace(MACHINE, cores=2.0), threads=2)
    assert found.part is Part.machine
    assert "the server used 1.20, the generator 0.05 and other programs 0.75" in found.sentence


def test_programs_that_use_much_of_a_machine_slow_its_server_down_though_cores_are_left_on_average():
    """As in the demo: other programs had 0.96 of two cores, and the server half of its capacity."""
    found = bottleneck_of(IDLE_SERVER, RESTING, replace(MACHINE, cores=1.41), threads=2)
    assert found.sentence == (
        "Other programs slowed the server down: of the machine's 2 cores the server used 0.40, the generator 0.05 and"
        " other programs 0.96."
    )


def test_what_the_hypervisor_took_is_told_apart_from_other_programs():
    found = bottleneck_of(IDLE_SERVER, RESTING, replace(MACHINE, cores=1.41, stolen_cores=0.2), threads=2)
    assert found.part is Part.others
    assert found.sentence.endswith("and other programs 0.76, and the hypervisor gave 0.20 to other machines.")
    stolen = bottleneck_of(IDLE_SERVER, RESTING, replace(MACHINE, cores=1.41, stolen_cores=0.9), threads=2)
    assert stolen.sentence == (
        "Other machines of its host slowed the server down: of the machine's 2 cores the server used 0.40, the"
        " generator 0.05 and other programs 0.06, and the hypervisor gave 0.90 to other machines."
    )


def test_with_cores_left_everywhere_the_load_was_below_the_servers_capacity():
    found = bottleneck_of(IDLE_SERVER, RESTING, MACHINE, threads=2)
    assert found.part is Part.none
    assert "the server used 0.40 of 2 cores and the generator 0.05 of 1" in found.sentence
    assert "below the server's capacity" in found.sentence


@pytest.mark.parametrize(
    ("server", "generator", "missing"),
    [(None, None, "server and generator"), (None, RESTING, "server"), (IDLE_SERVER, None, "generator")],
)
def test_what_was_not_sampled_is_not_guessed(server, generator, missing):
    found = bottleneck_of(server, generator, MACHINE, threads=2)
    assert found.part is Part.unknown
    assert f"there are no CPU samples of {missing} in" in found.sentence
