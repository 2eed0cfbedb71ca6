"""Takes the metadata out of a JPEG before Pillow sees it.

Pillow keeps the metadata and reads EXIF while it opens an image, and a directory of EXIF in 64 KiB can name hundreds of
MiB. Nothing of it changes a pixel. Source: ITU-T T.81, annex B.
"""

import struct

from serving.errors import invalid_argument

# A colour profile alone may take 255 (ICC.1:2022, annex B.4).
MAX_SEGMENTS = 1000
# A decoder goes through the whole image for each scan of a progressive JPEG, however few bytes the scan has. Encoders
# write ten (jpeg_simple_progression, jcparam.c of libjpeg-turbo).
MAX_SCANS = 64

_SEGMENT = struct.Struct(">BBH")
_FILL, _SCAN = 0xFF, 0xDA
# Frames, tables and restart intervals.
_PICTURE = frozenset((*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD)) - {0xC8}
# How colours are stored: in APP0 of JFIF and APP14 of Adobe.
_COLOURS = frozenset((0xE0, 0xEE))
# Other applications' segments, and comments.
_METADATA = frozenset((*range(0xE0, 0xF0), 0xFE)) - _COLOURS


def without_metadata(content: memoryview) -> bytes:
    """The same picture with what it needs alone. Raises INVALID_ARGUMENT for what does not begin as a JPEG."""
    if bytes(content[:2]) != b"\xff\xd8":
        raise invalid_argument("The upload is not a JPEG image")
    kept, at = [content[:2]], 2
    for _ in range(MAX_SEGMENTS):
        if at + _SEGMENT.size > len(content):
            raise invalid_argument("The JPEG is truncated: it ends before its first scan")
        start, marker, size = _SEGMENT.unpack_from(content, at)
        if start != _FILL:
            raise invalid_argument(f"The JPEG has no marker at byte {at}")
        if marker == _SCAN:
            return _with_few_scans(b"".join((*kept, content[at:])))
        if marker == _FILL:
            at += 1
            continue
        if marker not in _PICTURE | _COLOURS | _METADATA or size < 2:
            raise invalid_argument(f"The JPEG has an unexpected marker ff{marker:02x} at byte {at}")
        if marker not in _METADATA:
            kept.append(content[at : at + 2 + size])
        at += 2 + size
    raise invalid_argument(f"The JPEG has more than {MAX_SEGMENTS} segments before its first scan")


def _with_few_scans(jpeg: bytes) -> bytes:
    # Within the data of a scan, 0xff is followed by 0 or by the number of a restart.
    if (scans := jpeg.count(b"\xff\xda")) > MAX_SCANS:
        raise invalid_argument(f"The JPEG has {scans} scans, more than {MAX_SCANS}")
    return jpeg
