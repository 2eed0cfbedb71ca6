"""The rows of a run: one for each request that was due, whatever became of it."""

import pyarrow as pa

_TIMESTAMP = pa.timestamp("us", tz="UTC")

REQUESTS_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("intended_start", _TIMESTAMP, nullable=False),
        pa.field("start", _TIMESTAMP, nullable=False),
        pa.field("latency_us", pa.int64(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("status", pa.int16(), nullable=False),
        pa.field("error", pa.string(), nullable=True),
        pa.field("request_bytes", pa.int64(), nullable=False),
        pa.field("response_bytes", pa.int64(), nullable=False),
        pa.field("worker", pa.string(), nullable=False),
        pa.field("backend", pa.string(), nullable=True),
    ]
)
REQUEST_COLUMNS: tuple[str, ...] = tuple(REQUESTS_SCHEMA.names)
# The `error` of a request that was due when no client was free: it was not sent, so no server counted it.
NOT_SENT = "not_sent"
