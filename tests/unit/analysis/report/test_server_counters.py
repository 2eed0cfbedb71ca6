from dataclasses import replace

from analysis.report.server_counters import UNKNOWN, counters_table, sentences
from analysis.results.run.counters import ReplicaCounters, ServerCounters

A = ReplicaCounters("serving-a", ok=30, failed=0, latency_ms=100, runtime_ms=80, queued_ms=None, requests_a_batch=None)
B = ReplicaCounters("serving-b", ok=8, failed=2, latency_ms=200, runtime_ms=90, queued_ms=None, requests_a_batch=None)
PAIR = ServerCounters((A, B), whole_run=False, outside_ms=130, counted=50, sent=50)


def said(counted):
    return " ".join(sentences(counted))


def test_counts_that_agree_are_reported_as_equal():
    assert "The 2 replicas counted 50 requests in the whole run, the generator sent as many." in said(PAIR)
    assert said(replace(PAIR, replicas=(A,))).startswith("The server counted 50")


def test_a_mismatch_says_which_side_counted_more():
    assert "the generator sent 48. The rest, 2, came from another client, or was counted twice." in said(
        replace(PAIR, sent=48)
    )
    assert "the generator sent 53. The rest, 3, did not arrive, was refused, was not answered yet" in said(
        replace(PAIR, sent=53)
    )


def test_latency_in_the_server_is_the_mean_over_all_successes():
    """30 of 100 ms and 8 of 200 ms."""
    assert "Mean latency of a request: 121 ms inside the server, 130 ms from send to last byte." in said(PAIR)


def test_batching_is_reported_only_where_there_are_batches():
    assert "batch" not in said(PAIR).lower()
    batched = replace(A, queued_ms=8.04, requests_a_batch=3.2)
    assert "Batching: 8.04 ms mean wait in the queue, 3.20 requests per batch on average." in said(
        replace(PAIR, replicas=(batched, B))
    )


def test_a_replica_that_answered_no_request_is_named():
    idle = replace(B, ok=0, failed=0, latency_ms=None, runtime_ms=None)
    assert "serving-b answered no request in the counted phase." in said(replace(PAIR, replicas=(A, idle)))
    assert "answered no request" not in said(PAIR)


def test_without_counters_only_their_absence_is_reported():
    assert sentences(None) == [UNKNOWN]


def test_the_table_has_a_row_for_each_replica_and_an_unknown_value_is_not_zero():
    table = counters_table("8cpu-16gb", PAIR)
    first, second = table.rows
    assert len(first) == len(table.columns)
    assert first == ("serving-a", "30", "75.00", "0", "100", "80.0", "–", "–")
    assert second[1:4] == ("10", "25.00", "2")
    assert "the counted phase" in table.caption
    assert "warm-up included" in counters_table("8cpu-16gb", replace(PAIR, whole_run=True)).caption
