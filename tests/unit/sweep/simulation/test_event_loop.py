import asyncio
import time

import pytest

from sweep.simulation.event_loop import VirtualTimeLoop


def run(coroutine: object, start_s: float = 0) -> object:
    loop = VirtualTimeLoop(start_s)
    try:
        return loop.run_until_complete(coroutine)  # type: ignore[arg-type]
    finally:
        loop.close()


def test_a_day_passes_in_no_time_and_timers_come_in_their_order() -> None:
    order: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((name, asyncio.get_running_loop().time()))

    async def day() -> None:
        await asyncio.gather(sleeper("day", 86_400), sleeper("minute", 60), sleeper("at once", 0))

    cpu_s = time.process_time()
    run(day(), start_s=5)
    assert order == [("at once", 5), ("minute", 65), ("day", pytest.approx(86_405))]
    assert time.process_time() - cpu_s < 5


def test_a_simulation_in_which_nothing_can_happen_any_more_says_so() -> None:
    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="no timer is set"):
        run(stuck())
