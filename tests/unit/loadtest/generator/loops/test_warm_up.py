"""When a server is warm."""

from loadtest.generator.loops.warm_up import WarmUp


def after(*latencies_s: float) -> WarmUp:
    warm_up = WarmUp()
    for latency_s in latencies_s:
        warm_up.add(latency_s)
    return warm_up


def test_a_server_is_not_warm_before_fifteen_answers() -> None:
    assert not after(*[0.06] * 14).is_warm
    assert after(*[0.06] * 15).is_warm


def test_a_server_that_still_gets_quicker_is_not_warm() -> None:
    cooling = [0.5 * 0.9**number for number in range(15)]
    assert not after(*cooling).is_warm
    assert after(*cooling, *[cooling[-1]] * 10).is_warm


def test_one_unusual_answer_does_not_decide_whether_a_server_is_warm() -> None:
    assert after(*[0.06] * 7, 2.0, *[0.06] * 7).is_warm
    assert after(*[0.06] * 14, 0.001).is_warm


def test_a_server_that_gets_slower_is_warm_and_the_drift_check_sees_it() -> None:
    assert after(*[0.06 * 1.05**number for number in range(15)]).is_warm


def test_median_latency_ignores_outliers() -> None:
    assert after(*[0.05, 0.06, 0.07] * 4, 3.0, 0.06, 0.06).median_s == 0.06
    assert after().median_s is None
