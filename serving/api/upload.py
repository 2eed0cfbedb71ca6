"""Finds the image in the body of an upload: the body itself, or the one file of a form.

Sources: RFC 7578 (multipart/form-data) and RFC 2046, section 5.1.1 (boundaries).
"""

import re

from serving.errors import invalid_argument

_FORM = re.compile(r'multipart/form-data *; *boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_FILE = re.compile(rb"^content-disposition:[^\r\n]*; *filename\*?=", re.IGNORECASE | re.MULTILINE)
_MAX_PART_HEADER_BYTES = 4096
# An error quotes so much of a header.
_QUOTED = 100


def uploaded(body: bytes, content_type: str) -> memoryview:
    """The bytes of the image. Raises INVALID_ARGUMENT where the body is not one image."""
    if content_type.partition(";")[0].strip().lower() == "image/jpeg":
        return memoryview(body)
    if (form := _FORM.fullmatch(content_type.strip())) is None:
        raise invalid_argument(
            f"Content-Type '{content_type[:_QUOTED]}' is neither image/jpeg nor multipart/form-data with a boundary"
        )
    return _only_file(body, (form[1] or form[2]).encode("latin-1"))


def _only_file(body: bytes, boundary: bytes) -> memoryview:
    """The content of the one part. Nothing may be before it, so a body is searched twice at most."""
    delimiter = b"--" + boundary
    if not body.startswith(delimiter + b"\r\n"):
        raise invalid_argument("The form does not begin with its boundary and a part; send one file")
    start = len(delimiter) + 2
    # A part without headers has its empty line at once.
    header_end = body.find(b"\r\n\r\n", start - 2, start + _MAX_PART_HEADER_BYTES)
    if header_end < 0:
        raise invalid_argument(f"The headers of the form's part do not end within {_MAX_PART_HEADER_BYTES} bytes")
    if not _FILE.search(body[start:header_end]):
        raise invalid_argument("The form's part is not a file: its Content-Disposition has no filename")
    end = body.find(b"\r\n" + delimiter, header_end + 4)
    if end < 0:
        raise invalid_argument("The form ends without its boundary, so its file may be incomplete")
    after = end + 2 + len(delimiter)
    # No more than what can be right is copied.
    if body[after : after + 5] not in {b"--", b"--\r\n"}:
        raise invalid_argument("The form has more than one part; send the image alone")
    return memoryview(body)[header_end + 4 : end]
