"""Samples taken during a run: resource usage of server, generator and machine, and server counters; one a row."""

import pyarrow as pa

GENERATOR, SERVER, MACHINE = "generator", "server", "machine"

# Since the sample before, about a second ago: cores in use, and the share of the periods of the CPU limit that were
# throttled (no row without a limit). At the moment of the sample: resident memory, and the cores available.
CPU_CORES, THROTTLED_RATIO, MEMORY_BYTES, MOST_CORES = "cpu_cores", "throttled_ratio", "memory_bytes", "most_cores"

# Of a server's pod, at the same moments: the same of everything else on its node, the kernel included.
OTHER_CPU_CORES, OTHER_MEMORY_BYTES = "other_cpu_cores", "other_memory_bytes"

# Of the machine that server and generator share, or of a server's node, since the sample before: cores that the
# hypervisor gave to other machines. They are part of the machine's `cpu_cores`, and of `other_cpu_cores`.
STOLEN_CORES = "stolen_cores"

# Of all servers, where an autoscaler decides how many there are: those that are ready.
READY_SERVERS = "ready_servers"

# A server's own counters since it started: requests to the model by outcome; sum (in microseconds) and count of the
# times that requests take in the server, in TensorFlow, and in the queue for a batch; batches.
REQUESTS_OK, REQUESTS_FAILED = "requests_ok_total", "requests_failed_total"
LATENCY_SUM_US, LATENCY_COUNT = "request_latency_us_sum", "request_latency_count"
RUNTIME_SUM_US, RUNTIME_COUNT = "runtime_latency_us_sum", "runtime_latency_count"
QUEUED_SUM_US, QUEUED_COUNT = "queuing_latency_us_sum", "queuing_latency_count"
BATCHES = "batches_total"
TOTALS = (
    REQUESTS_OK,
    REQUESTS_FAILED,
    LATENCY_SUM_US,
    LATENCY_COUNT,
    RUNTIME_SUM_US,
    RUNTIME_COUNT,
    QUEUED_SUM_US,
    QUEUED_COUNT,
    BATCHES,
)

# `subject` is one of the three above, or in a cluster the name of a server's pod. The second process of the generator
# is `generator-1`, and so on. `at` is by the clock of the rows.
SAMPLES_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("quantity", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)
