"""Where the limit of a run was: server, generator, the machine that they share, or none of them."""

from dataclasses import dataclass
from enum import Enum

# So much of what a subject may use counts as all of it. By Erlang's formula for independent arrivals, a request on two
# cores at 85 % takes 1 / (1 - 0.85²) = 3.6 times what it needs: most of its latency is waiting for a core.
FULL = 0.85
# With a thread ready for every core a kernel leaves none idle; a tick lost at both ends of a second is 2 % of a core.
MACHINE_FULL = 0.95
# Each process of the generator asks with one thread. Both are limits of the check that makes a run invalid, too: see
# loadtest.result.validity.
GENERATOR_BUSY_CORES, GENERATOR_BUSY_SHARE = 0.9, 0.1
# A request that wants a core in a period in which the limit stops the server waits for the next one. With a tenth of
# the periods, at least a tenth of the requests do, so p90 and all above are the limit's. (The alert CPUThrottlingHigh
# of kubernetes-mixin, which is about what is paid for and not about latency, fires at 25 %.)
_THROTTLED = 0.1
_WORTH_A_WORD = 0.005


@dataclass(frozen=True)
class CpuUse:
    """One subject in the phase that counts: its cores on average, and the most that it may use.

    `busy_share` is in what share of the seconds it used more than GENERATOR_BUSY_CORES; `throttled_ratio` in what share
    of the periods of its CPU limit it was stopped, None where it has none. Of several replicas, cores are those of all,
    and it is the ratio of the one that was stopped most; of processes of the generator, the busiest counts.
    """

    cores: float
    most_cores: float
    busy_share: float
    throttled_ratio: float | None
    replicas: int = 1


class Where(Enum):
    """What was the limit; the text begins the sentence about it."""

    server = "The server was the limit"
    generator = "The load generator was the limit"
    machine = "The machine was the limit"
    none = "Nothing was at its limit"
    unknown = "Where the limit was is not known"


@dataclass(frozen=True)
class Limit:
    """Where the limit was, and the sentence that says so with its figures."""

    where: Where
    why: str

    @property
    def sentence(self) -> str:
        """In plain words."""
        return f"{self.where.value}: {self.why}."


def limit_of(server: CpuUse | None, generator: CpuUse | None, machine: CpuUse | None, threads: int) -> Limit:
    """The first of these that was used up: generator, server, machine.

    `machine` is the one that server and generator share, None where they do not. `threads` is how many the server has
    for the model: it cannot keep more cores busy with it.
    """
    if generator is not None and generator.busy_share > GENERATOR_BUSY_SHARE:
        who = "it" if generator.replicas == 1 else f"one of its {generator.replicas} processes"
        busy = f"{who} used more than 90 % of its core in {generator.busy_share:.0%} of the seconds that count"
        return Limit(Where.generator, busy)
    if server is None or generator is None:
        missing = " and ".join(name for name, use in (("server", server), ("generator", generator)) if use is None)
        return Limit(Where.unknown, f"no CPU samples of {missing} cover the phase that counts")
    if server.throttled_ratio is not None and server.throttled_ratio > _THROTTLED:
        return Limit(Where.server, _stopped(server, server.throttled_ratio))
    if server.cores >= FULL * min(server.most_cores, threads):
        return Limit(Where.server, _saturated(server, threads))
    if machine is not None and machine.cores >= MACHINE_FULL * machine.most_cores:
        others = max(0.0, machine.cores - server.cores - generator.cores)
        shared = (
            f"of its {_cores(machine.most_cores)} the server used {server.cores:.2f}, the generator"
            f" {generator.cores:.2f} and other programs {others:.2f}"
        )
        return Limit(Where.machine, shared)
    has = "one" if generator.replicas == 1 else str(generator.replicas)
    spare = (
        f"the server used {server.cores:.2f} of {_cores(server.most_cores)}{_stopped_now_and_then(server)} and the"
        f" generator {generator.cores:.2f} of its {has}, so the load was below what the server bears, unless it waited"
        " for something that is not a core"
    )
    return Limit(Where.none, spare)


def _saturated(server: CpuUse, threads: int) -> str:
    used = f"it used {server.cores:.2f} of {_cores(server.most_cores)}{_stopped_now_and_then(server)}"
    return used if threads >= server.most_cores else f"{used}, with {_threads(threads)} for the model"


def _stopped_now_and_then(server: CpuUse) -> str:
    ratio = server.throttled_ratio or 0.0
    return f" ({_stopped(server, ratio)})" if ratio >= _WORTH_A_WORD else ""


def _stopped(server: CpuUse, ratio: float) -> str:
    of_all = f"{ratio:.0%} of all periods"
    if server.replicas == 1:
        return f"its CPU limit of {_cores(server.most_cores)} stopped it in {of_all}"
    each = _cores(server.most_cores / server.replicas)
    return f"the CPU limit of {each} stopped one of {server.replicas} replicas in {of_all}"


def _cores(number: float) -> str:
    return f"{number:g} core" if number == 1 else f"{number:g} cores"


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"
