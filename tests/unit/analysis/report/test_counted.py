from dataclasses import replace

from analysis.report.counted import COLUMNS, UNKNOWN, caption, rows, sentences
from analysis.results.counters import ReplicaCounters, ServerCounters

A = ReplicaCounters("serving-a", ok=30, failed=0, latency_ms=100, runtime_ms=80, queued_ms=None, requests_a_batch=None)
B = ReplicaCounters("serving-b", ok=8, failed=2, latency_ms=200, runtime_ms=90, queued_ms=None, requests_a_batch=None)
PAIR = ServerCounters((A, B), whole_run=False, outside_ms=130, counted=50, sent=50)


def said(counted):
    return " ".join(sentences(counted))


def test_counts_that_agree_are_said_to():
    assert "The 2 replicas counted 50 requests in the whole run, and 50 were sent: every one of them." in said(PAIR)
    assert said(replace(PAIR, replicas=(A,))).startswith("The server counted 50")


def test_a_mismatch_is_told_in_the_direction_that_it_has():
    assert "and 48 were sent: 2 came from somebody else, or twice." in said(replace(PAIR, sent=48))
    assert "and 53 were sent: 3 did not arrive, or were not answered yet" in said(replace(PAIR, sent=53))


def test_latency_inside_is_the_mean_over_all_successes_beside_the_one_outside():
    """30 of 100 ms and 8 of 200 ms."""
    assert "a request took 121 ms inside the server, and 130 ms from being sent to its last byte." in said(PAIR)


def test_batches_are_told_where_there_are_some():
    assert "batch" not in said(PAIR)
    batched = replace(A, queued_ms=8.04, requests_a_batch=3.2)
    assert "It waited 8.04 ms for its batch, in which 3.20 requests were on average." in said(
        replace(PAIR, replicas=(batched, B))
    )


def test_a_replica_that_did_nothing_is_named():
    idle = replace(B, ok=0, failed=0, latency_ms=None, runtime_ms=None)
    assert "serving-b answered nothing in that time." in said(replace(PAIR, replicas=(A, idle)))
    assert "answered nothing" not in said(PAIR)


def test_without_counters_that_is_all_that_is_said():
    assert sentences(None) == [UNKNOWN]


def test_the_table_has_a_row_for_each_replica_and_what_is_not_known_is_no_zero():
    first, second = rows(PAIR)
    assert len(first) == len(COLUMNS)
    assert first == ("serving-a", "30", "75.00", "0", "100", "80.0", "–", "–")
    assert second[1:4] == ("10", "25.00", "2")
    assert "the phase that counts" in caption(PAIR)
    assert "warm-up included" in caption(replace(PAIR, whole_run=True))
