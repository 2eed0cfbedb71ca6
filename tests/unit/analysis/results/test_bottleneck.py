from dataclasses import replace

import pytest

from analysis.results.bottleneck import CpuUse, Where, limit_of

RESTING = CpuUse(cores=0.05, most_cores=2, busy_share=0, throttled_ratio=None)
IDLE_SERVER = CpuUse(cores=0.4, most_cores=2, busy_share=0, throttled_ratio=None)
MACHINE = CpuUse(cores=0.5, most_cores=2, busy_share=0, throttled_ratio=None)


def test_a_server_that_uses_all_its_cores_was_the_limit():
    found = limit_of(replace(IDLE_SERVER, cores=1.9), RESTING, replace(MACHINE, cores=2), threads=2)
    assert found.where is Where.server
    assert found.sentence == "The server was the limit: it used 1.90 of 2 cores."


def test_a_server_whose_threads_are_all_busy_was_the_limit_though_cores_are_left():
    found = limit_of(replace(IDLE_SERVER, cores=0.98, most_cores=4), RESTING, None, threads=1)
    assert found.where is Where.server
    assert found.sentence == "The server was the limit: it used 0.98 of 4 cores, with 1 thread for the model."


def test_more_threads_than_cores_do_not_hide_that_the_cores_are_used_up():
    assert limit_of(replace(IDLE_SERVER, cores=1.9), RESTING, None, threads=16).where is Where.server


def test_a_server_that_its_cpu_limit_stops_was_the_limit_however_little_it_uses():
    throttled = replace(IDLE_SERVER, most_cores=0.5, throttled_ratio=0.6)
    found = limit_of(throttled, RESTING, None, threads=2)
    assert found.where is Where.server
    assert "stopped it in 60% of all periods" in found.sentence


def test_of_several_replicas_the_one_that_was_stopped_most_is_told():
    pair = replace(IDLE_SERVER, most_cores=3, throttled_ratio=0.6, replicas=2)
    assert limit_of(pair, RESTING, None, threads=4).sentence == (
        "The server was the limit: the CPU limit of 1.5 cores stopped one of 2 replicas in 60% of all periods."
    )


@pytest.mark.parametrize(("ratio", "said"), [(None, False), (0.0, False), (0.004, False), (0.03, True)])
def test_a_limit_that_stops_a_server_now_and_then_is_told_beside_the_cores(ratio, said):
    words = " of 2 cores (its CPU limit of 2 cores stopped it in 3% of all periods)"
    for cores, where in ((0.4, Where.none), (1.9, Where.server)):
        found = limit_of(replace(IDLE_SERVER, cores=cores, throttled_ratio=ratio), RESTING, None, threads=2)
        assert found.where is where
        assert (words in found.sentence) == said


def test_a_generator_without_time_was_the_limit_whatever_the_server_did():
    busy = replace(RESTING, cores=0.95, busy_share=0.4)
    for server in (replace(IDLE_SERVER, cores=2), IDLE_SERVER, None):
        found = limit_of(server, busy, MACHINE, threads=2)
        assert found.where is Where.generator
        assert "in 40% of the seconds" in found.sentence


def test_a_machine_whose_cores_others_took_was_the_limit():
    found = limit_of(replace(IDLE_SERVER, cores=1.2), RESTING, replace(MACHINE, cores=2.0), threads=2)
    assert found.where is Where.machine
    assert "the server used 1.20, the generator 0.05 and other programs 0.75" in found.sentence


def test_with_time_left_everywhere_the_load_was_below_what_the_server_bears():
    found = limit_of(IDLE_SERVER, RESTING, MACHINE, threads=2)
    assert found.where is Where.none
    assert "the server used 0.40 of 2 cores and the generator 0.05 of its one" in found.sentence
    assert "below what the server bears" in found.sentence


@pytest.mark.parametrize(
    ("server", "generator", "missing"),
    [(None, None, "server and generator"), (None, RESTING, "server"), (IDLE_SERVER, None, "generator")],
)
def test_what_was_not_sampled_is_not_guessed(server, generator, missing):
    found = limit_of(server, generator, MACHINE, threads=2)
    assert found.where is Where.unknown
    assert f"no CPU samples of {missing} cover" in found.sentence
