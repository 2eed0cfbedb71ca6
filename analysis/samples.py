"""What went on while a run was measured: samples of what server, generator and machine used, one value a row."""

import pyarrow as pa

GENERATOR, SERVER, MACHINE = "generator", "server", "machine"

# Over the time since the sample before, about a second: cores that were busy, and the share of the periods of its CPU
# limit in which the subject was stopped by it (no row where it has none). At the moment: resident memory, and the most
# cores that the subject may use.
CPU_CORES, THROTTLED_RATIO, MEMORY_BYTES, MOST_CORES = "cpu_cores", "throttled_ratio", "memory_bytes", "most_cores"

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
