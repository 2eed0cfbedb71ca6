"""What went on while a run was measured: samples of what server, generator and machine used, one value a row."""

import pyarrow as pa

GENERATOR, SERVER, MACHINE = "generator", "server", "machine"

# Over the time since the sample before, about a second: cores that were busy, and the share of the periods of its CPU
# limit in which the subject was stopped by it (no row where it has none). At the moment: resident memory, and the most
# cores that the subject may use.
CPU_CORES, THROTTLED_RATIO, MEMORY_BYTES, MOST_CORES = "cpu_cores", "throttled_ratio", "memory_bytes", "most_cores"

# What a server has counted since it began, by its own page: requests to the model by how they ended; sums, in
# microseconds, and counts of what one took inside the server, in TensorFlow, and in the queue for a batch; batches run.
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

# `subject` is one of the three above, or in a cluster the name of a server's pod. Where several processes asked, the
# second is `generator-1`, and so on. `at` is on the rows' clock.
SAMPLES_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("quantity", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)
