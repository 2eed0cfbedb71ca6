import time
from http.client import HTTPConnection

import pytest

from bench.servers.queue_server import QueueServer, QueueSettings, queue_server


def timed_request(server: QueueServer) -> float:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    began_s = time.perf_counter()
    connection.request("POST", "/v1/models/resnet:predict", b"x" * 200_000)
    assert connection.getresponse().read().startswith(b'{"predictions"')
    connection.close()
    return time.perf_counter() - began_s


def test_a_request_takes_the_service_time_and_waits_for_a_programmed_stall() -> None:
    with queue_server(QueueSettings(workers=1, service_s=0.05, stall_after_s=0.3, stall_s=0.4)) as server:
        began_s = time.time()
        first_s = timed_request(server)
        time.sleep(max(0.0, began_s + 0.4 + first_s - time.time()))
        second_s = timed_request(server)
        answered_s = time.time()
    (stall,) = server.stalls
    assert began_s + 0.3 <= stall.began_s <= began_s + 0.3 + first_s
    assert first_s >= server.took_s[0] >= 0.05
    assert second_s >= server.took_s[1] >= 0.05
    assert answered_s >= stall.began_s + stall.lasts_s + 0.05, "nothing is answered before the pause is over"


def test_a_server_without_a_service_time_answers_at_once_and_logs_only_requests() -> None:
    with queue_server(QueueSettings()) as server:
        pass
    assert (server.stalls, server.took_s) == ([], [])
    with queue_server(QueueSettings()) as server:
        timed_request(server)
    assert server.took_s == pytest.approx([0.0], abs=0.05)


def test_each_connection_is_that_of_one_replica() -> None:
    with queue_server(QueueSettings(replicas=4)) as server:
        for _ in range(40):
            timed_request(server)
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        for _ in range(100):
            connection.request("POST", "/v1/models/resnet:predict", b"x")
            connection.getresponse().read()
        connection.close()
    assert sum(server.answered) == 140
    *others, most = sorted(server.answered)
    assert most > 100
    assert min(others) > 0
