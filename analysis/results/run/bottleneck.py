"""The bottleneck of a run: the server, the generator, the machine that they share, other programs, or none of them."""

from dataclasses import dataclass
from enum import Enum

from analysis.results.schema.thresholds import GENERATOR_BUSY_CORES, GENERATOR_BUSY_SHARE, OTHERS_SHARE

# From this share of its cores on, a server counts as saturated. By Erlang's formula for independent arrivals, a request
# on two cores at 85 % takes 1 / (1 - 0.85²) = 3.6 times its service time: most of its latency is waiting for a core.
SATURATED = 0.85
# With a thread ready for every core a kernel leaves none idle; a tick lost at both ends of a second is 2 % of a core.
MACHINE_SATURATED = 0.95
# A request that wants a core in a throttled period waits for the next one. With a tenth of the periods throttled, at
# least a tenth of the requests wait, so p90 and above are due to the CPU limit. (The alert CPUThrottlingHigh of
# kubernetes-mixin, which is about cost and not about latency, fires at 25 %.)
_THROTTLED = 0.1
# Less throttling than this is not mentioned.
_NEGLIGIBLE = 0.005


@dataclass(frozen=True)
class CpuUse:
    """CPU of the server, the generator or the machine in the counted phase: mean cores, and cores available.

    `busy_share` is the share of seconds with more than GENERATOR_BUSY_CORES in use. `throttled_ratio` is the share of
    the periods of the CPU limit that were throttled, None without a limit. Of several replicas the cores are the sum,
    the throttled ratio is the highest; of several processes of the generator the busy share is the highest.
    `stolen_cores` are the part of a machine's cores that the hypervisor gave to other machines.
    """

    cores: float
    most_cores: float
    busy_share: float
    throttled_ratio: float | None
    replicas: int = 1
    stolen_cores: float = 0.0


class Part(Enum):
    """What can be the bottleneck."""

    server = "The server was the bottleneck"
    generator = "The load generator was the bottleneck"
    machine = "The machine was the bottleneck"
    others = "Other programs slowed the server down"
    hypervisor = "Other machines of its host slowed the server down"
    none = "There was no bottleneck"
    unknown = "The bottleneck is not known"


@dataclass(frozen=True)
class Bottleneck:
    """The bottleneck, and the figures that show it."""

    part: Part
    reason: str

    @property
    def sentence(self) -> str:
        return f"{self.part.value}: {self.reason}."


def bottleneck_of(server: CpuUse | None, generator: CpuUse | None, machine: CpuUse | None, threads: int) -> Bottleneck:
    """The first of these that was saturated: generator, server, machine; else other programs that used much of it.

    `machine` is the one that server and generator share, None where they do not. `threads` is the number of threads
    that the server has for the model: more cores than that it cannot use.
    """
    if generator is not None and generator.busy_share > GENERATOR_BUSY_SHARE:
        process = "it" if generator.replicas == 1 else f"one of its {generator.replicas} processes"
        busy = f"used more than {100 * GENERATOR_BUSY_CORES:g} % of a core"
        return Bottleneck(Part.generator, f"{process} {busy} in {generator.busy_share:.0%} of the seconds that count")
    if server is None or generator is None:
        missing = " and ".join(name for name, use in (("server", server), ("generator", generator)) if use is None)
        return Bottleneck(Part.unknown, f"there are no CPU samples of {missing} in the counted phase")
    if server.throttled_ratio is not None and server.throttled_ratio > _THROTTLED:
        return Bottleneck(Part.server, _throttled(server, server.throttled_ratio))
    if server.cores >= SATURATED * min(server.most_cores, threads):
        used = f"it used {server.cores:.2f} of {_cores(server.most_cores)}{_some_throttling(server)}"
        if threads < server.most_cores:
            used += f", with {threads} {'thread' if threads == 1 else 'threads'} for the model"
        return Bottleneck(Part.server, used)
    if machine is not None and (found := _of_machine(server, generator, machine)):
        return found
    spare = (
        f"the server used {server.cores:.2f} of {_cores(server.most_cores)}{_some_throttling(server)} and the"
        f" generator {generator.cores:.2f} of {generator.replicas}, so the load was below the server's capacity, unless"
        " the server waited for something other than a core"
    )
    return Bottleneck(Part.none, spare)


def _of_machine(server: CpuUse, generator: CpuUse, machine: CpuUse) -> Bottleneck | None:
    others = max(0.0, machine.cores - server.cores - generator.cores)
    stolen = min(machine.stolen_cores, others)
    programs = others - stolen
    used = f"the server used {server.cores:.2f}, the generator {generator.cores:.2f} and other programs {programs:.2f}"
    if stolen >= _NEGLIGIBLE:
        used += f", and the hypervisor gave {stolen:.2f} to other machines"
    if machine.cores >= MACHINE_SATURATED * machine.most_cores:
        return Bottleneck(Part.machine, f"of its {_cores(machine.most_cores)} {used}")
    if others > OTHERS_SHARE * machine.most_cores:
        part = Part.hypervisor if stolen > programs else Part.others
        return Bottleneck(part, f"of the machine's {_cores(machine.most_cores)} {used}")
    return None


def _some_throttling(server: CpuUse) -> str:
    ratio = server.throttled_ratio or 0.0
    return f" ({_throttled(server, ratio)})" if ratio >= _NEGLIGIBLE else ""


def _throttled(server: CpuUse, ratio: float) -> str:
    if server.replicas == 1:
        return f"its CPU limit of {_cores(server.most_cores)} throttled it in {ratio:.0%} of all periods"
    each = _cores(server.most_cores / server.replicas)
    return f"the CPU limit of {each} throttled one of {server.replicas} replicas in {ratio:.0%} of all periods"


def _cores(number: float) -> str:
    return f"{number:g} core" if number == 1 else f"{number:g} cores"
