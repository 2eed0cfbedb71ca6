"""The memory that calls over gRPC take in the embedded server, by how many are in flight.

No call queues before the model, so each in flight holds its request and its intermediate tensors. Both servers run the
model in a session of TensorFlow's runtime, so what a call adds is comparable. What the server takes without calls is
not: this one is a Python process, and TensorFlow Serving's own is not measured here.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from bench.figures import Figure, argument_parser, report, start
from bench.generators.our_generator import photograph_body
from bench.servers import processes as servers
from provider.local.server_process import listening_pid
from serving.export.exporter import DEFAULT_CACHE, export

# The vCPUs of the smallest shape, 2cpu-4gb, and the users of the published experiment: on one of its eight replicas, as
# a round-robin client spreads them, and all on one.
_VCPUS = 2
_IN_FLIGHT = (19, 150)
SMALLEST = ("2",)
_CALLS_EACH = 3
_TIMEOUT_S = 600.0
_MIB_IN_KIB = 1024
_PREDICT = "/tensorflow.serving.PredictionService/Predict"


def main() -> None:
    """Measure and report; takes about a minute."""
    parser = argument_parser("memory", __doc__)
    parser.add_argument("in_flight", nargs="*", type=int, default=_IN_FLIGHT, help="calls, besides one at a time")
    in_flight = start(parser, ["tensorflow", "grpcio"]).in_flight
    exported = export("auto", DEFAULT_CACHE)
    body = photograph_body("grpc")
    with servers.embedded(Path(exported["path"]), _VCPUS) as ports:
        pid = listening_pid(ports["grpc"])
        if pid is None:
            raise RuntimeError("the server's process cannot be seen, so its memory cannot be read")
        peaks_mib = {count: _peak_mib(pid, f"127.0.0.1:{ports['grpc']}", body, count) for count in (1, *in_flight)}
    alone_mib = peaks_mib.pop(1)
    figures = [Figure("one call at a time: peak memory", alone_mib, "MiB")]
    for count, peak_mib in peaks_mib.items():
        figures += [
            Figure(f"{count} calls in flight: peak memory", peak_mib, "MiB"),
            Figure(f"{count} calls in flight: more than one at a time", peak_mib - alone_mib, "MiB"),
        ]
    report("memory", figures)


def _peak_mib(pid: int, address: str, body: bytes, in_flight: int) -> float:
    """The server's peak resident memory while so many clients call it; raises grpc.RpcError where a call fails."""

    def call_often(_: int) -> None:
        # A connection for each client, as those of the generator's users.
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(address, options=options) as channel:
            predict = channel.unary_unary(_PREDICT)
            for _call in range(_CALLS_EACH):
                predict(body, timeout=_TIMEOUT_S)

    # Resets the peak to what is resident now: proc(5), clear_refs.
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")
    with ThreadPoolExecutor(in_flight) as clients:
        list(clients.map(call_often, range(in_flight)))
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (peak_kib,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return peak_kib / _MIB_IN_KIB


if __name__ == "__main__":
    main()
