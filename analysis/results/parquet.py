"""Parquet in memory: writes with page checksums, opens what has the wanted columns, and says what is wrong."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.results.layout import RESTORE
from stacks.explain import first_line

# What pyarrow raises where a file is not Parquet: a damaged name of a column, for example, is not UTF-8.
UNREADABLE = (OSError, ValueError, pa.ArrowException)


class ParquetError(ValueError):
    """A file is not Parquet with the wanted columns; the message says why, as the rest of a sentence about it."""


def write_parquet(schema: pa.Schema, rows: pa.RecordBatchReader) -> tuple[pa.Buffer, int]:
    """The content of a file, and its rows; raises ValueError (from pyarrow) where the columns are not `schema`."""
    count = 0
    stream = pa.BufferOutputStream()
    with pq.ParquetWriter(stream, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in rows:
            table = pa.Table.from_batches([batch]).cast(schema)
            writer.write_table(table)
            count += table.num_rows
    return stream.getvalue(), count


def open_parquet(content: pa.Buffer, wanted: pa.Schema, read_dictionary: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a file that has at least the columns of `wanted`; raises ParquetError.

    `content` is to be in Arrow's own memory: Arrow's threads may outlive the main one, and a buffer or file of Python's
    that they give back then aborts the process at its exit (https://github.com/apache/arrow/issues/34314 and 45017).
    """
    try:
        file = pq.ParquetFile(
            pa.BufferReader(content), read_dictionary=list(read_dictionary), page_checksum_verification=True
        )
        require_columns(file.schema_arrow, wanted)
    except ParquetError:
        raise
    except UNREADABLE as error:
        raise not_parquet(error) from error
    return file


def require_columns(found: pa.Schema, wanted: pa.Schema) -> None:
    """Raise ParquetError where columns are missing or of another type; a string may be any of Arrow's types for it."""
    types = dict(zip(found.names, found.types, strict=True))
    wrong = [field.name for field in wanted if not _same_type(types.get(field.name), field.type)]
    if wrong:
        raise ParquetError(
            f"lacks columns, or has other types for them: {', '.join(wrong)}; if another version of shapebench wrote"
            f" it, read it with that version, otherwise {RESTORE}"
        )


def not_parquet(error: Exception) -> ParquetError:
    return ParquetError(f"is not a readable Parquet file: {first_line(error)}; {RESTORE}")


def _same_type(found: pa.DataType | None, wanted: pa.DataType) -> bool:
    if found is None or found == wanted:
        return found is not None
    value = found.value_type if pa.types.is_dictionary(found) else found
    strings = pa.string(), pa.large_string(), pa.string_view()
    return wanted == pa.string() and value in strings
