"""Parquet in memory: writes with page checksums, opens what has the wanted columns, and says what is wrong."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.results.storage.layout import RESTORE
from stacks.explain import first_line
from stacks.load.load_profiles import MOST_REQUESTS

# What pyarrow raises where a file is not Parquet: a damaged name of a column, for example, is not UTF-8.
UNREADABLE = (OSError, ValueError, pa.ArrowException)
# Before compression. A row takes some 40 bytes of it, and two million equal rows take a few: what is read is limited by
# its rows as well, each of which takes 77 bytes of memory however small the file is.
_MOST_BYTES = 2**32
TOO_MANY = (
    f"has {{}}, and at most {MOST_REQUESTS:,} of {_MOST_BYTES / 2**30:g} GiB are read, so that a report takes no more"
    " than 2 GiB of memory; measure for a shorter time"
)


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


def open_parquet(
    content: pa.Buffer, wanted: pa.Schema, rows: int | None = None, read_dictionary: Sequence[str] = ()
) -> pq.ParquetFile:
    """Open a file that has at least the columns of `wanted`, and the `rows` if they are known; raises ParquetError.

    No page is read, so a small file of very many rows takes no memory.

    `content` is to be in Arrow's own memory: Arrow's threads may outlive the main one, and a buffer or file of Python's
    that they give back then aborts the process at its exit (https://github.com/apache/arrow/issues/34314 and 45017).
    """
    try:
        file = pq.ParquetFile(
            pa.BufferReader(content), read_dictionary=list(read_dictionary), page_checksum_verification=True
        )
        require_columns(file.schema_arrow, wanted)
        require_rows(file.metadata, rows)
    except ParquetError:
        raise
    except UNREADABLE as error:
        raise not_parquet(error) from error
    return file


def require_rows(footer: pq.FileMetaData, rows: int | None) -> None:
    """Raise ParquetError where a file has other rows than its manifest says, or more than can be read."""
    if rows is not None and footer.num_rows != rows:
        raise ParquetError(f"has {footer.num_rows:,} rows, and its manifest says {rows:,}; {RESTORE}")
    size_bytes = sum(footer.row_group(at).total_byte_size for at in range(footer.num_row_groups))
    if footer.num_rows > MOST_REQUESTS or size_bytes > _MOST_BYTES:
        raise ParquetError(TOO_MANY.format(f"{footer.num_rows:,} rows of {size_bytes / 2**20:,.0f} MiB"))


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
