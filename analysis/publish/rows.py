"""The rows and samples of a run that are published: known classes as they are, and pseudonyms of what has a name."""

import re
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.publish.pseudonyms import Pseudonyms
from analysis.results.schema import samples
from analysis.results.schema.request_rows import NOT_SENT, REQUEST_COLUMNS, REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA

_ROWS_AT_ONCE = 1_000_000
_OTHER = "other"
_PHASE = re.compile(r"warmup|ramp|hold|step-[1-9]\d{0,8}")
_WORKER = re.compile(r"locust-\d{1,4}")
# What loadtest/generator/clients and the scheduler write, but for the names of exceptions.
_ERROR = re.compile(
    rf"{NOT_SENT}|timeout|connection_refused|connection_reset|name_not_resolved|bad_http|network_error|http_[1-5]\d\d"
    r"|bad_encoding|bad_shape|not_json|not_protobuf|not_numbers|not_strings|not_finite|wrong_answer"
    r"|grpc_(cancelled|unknown|invalid_argument|not_found|already_exists|permission_denied|resource_exhausted"
    r"|failed_precondition|aborted|out_of_range|unimplemented|internal|unavailable|data_loss|unauthenticated|no_thread)"
)
_SUBJECT = re.compile(rf"{samples.GENERATOR}(-\d{{1,4}})?|{samples.SERVER}|{samples.MACHINE}")
QUANTITIES = frozenset(
    {
        samples.CPU_CORES,
        samples.THROTTLED_RATIO,
        samples.MEMORY_BYTES,
        samples.MOST_CORES,
        samples.OTHER_CPU_CORES,
        samples.OTHER_MEMORY_BYTES,
        samples.STOLEN_CORES,
        samples.READY_SERVERS,
        *samples.TOTALS,
    }
)


def public_worker(name: str, pseudonyms: Pseudonyms) -> str:
    """The name of a process of the generator."""
    return name if _WORKER.fullmatch(name) else pseudonyms.of("worker", name)


def public_rows(file: pq.ParquetFile, pseudonyms: Pseudonyms) -> pa.RecordBatchReader:
    """The rows of a file in REQUESTS_SCHEMA, without its other columns and its metadata."""
    return pa.RecordBatchReader.from_batches(REQUESTS_SCHEMA, _public_batches(file, pseudonyms))


def public_samples(table: pa.Table, pseudonyms: Pseudonyms) -> pa.Table:
    """The samples of the quantities in QUANTITIES."""
    known = table.filter(pc.is_in(table["quantity"], pa.array(sorted(QUANTITIES))))
    subjects = _renamed(
        known["subject"], lambda name: name if _SUBJECT.fullmatch(name) else pseudonyms.of("replica", name)
    )
    at = SAMPLES_SCHEMA.get_field_index("subject")
    return known.set_column(at, SAMPLES_SCHEMA.field(at), subjects).select(SAMPLES_SCHEMA.names)


def _public_batches(file: pq.ParquetFile, pseudonyms: Pseudonyms) -> Iterator[pa.RecordBatch]:
    texts: dict[str, Callable[[str], str]] = {
        "phase": lambda name: name if _PHASE.fullmatch(name) else _OTHER,
        "error": lambda name: name if _ERROR.fullmatch(name) else _OTHER,
        "worker": lambda name: public_worker(name, pseudonyms),
        "backend": lambda name: pseudonyms.of("backend", name),
    }
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(REQUEST_COLUMNS)):
        columns = [
            _renamed(batch[field.name], texts[field.name]) if pa.types.is_string(field.type) else batch[field.name]
            for field in REQUESTS_SCHEMA
        ]
        yield pa.record_batch(columns, schema=REQUESTS_SCHEMA)


def _renamed(column: pa.Array | pa.ChunkedArray, rename: Callable[[str], str]) -> pa.Array:
    """The texts of a column, each renamed once."""
    text = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = text.cast(pa.string()).dictionary_encode()
    names = pa.array([rename(name) for name in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, names).cast(pa.string())
