"""Images to upload, and the forms that they are uploaded in."""

import io

import numpy as np
from PIL import Image


def picture(height=4, width=4, mode="RGB"):
    """Random colours in patches, which a JPEG changes, but not beyond recognition."""
    patches = np.random.default_rng(height * width).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(patches).resize((width, height)).convert(mode)


def jpeg(image=None, **options) -> bytes:
    content = io.BytesIO()
    (image or picture()).save(content, "JPEG", **({"quality": 92} | options))
    return content.getvalue()


def png(image=None) -> bytes:
    content = io.BytesIO()
    (image or picture()).save(content, "PNG")
    return content.getvalue()


def pixels(content: bytes, height=4, width=4):
    """What Pillow itself makes of an image, float32 [1, height, width, 3]."""
    with Image.open(io.BytesIO(content)) as image:
        converted = image.convert("RGB")
    if converted.size != (width, height):
        converted = converted.resize((width, height))
    return np.asarray(converted, np.float32)[np.newaxis]


def part(content: bytes, disposition=b'form-data; name="image_file"; filename="cat.jpg"', boundary=b"edge") -> bytes:
    head = b"--%b\r\nContent-Disposition: %b\r\nContent-Type: image/jpeg\r\n\r\n" % (boundary, disposition)
    return head + content + b"\r\n"


def form(*parts: bytes, boundary=b"edge") -> bytes:
    return b"".join(parts) + b"--%b--\r\n" % boundary


def with_size(content: bytes, height: int, width: int) -> bytes:
    """A JPEG whose header claims another size."""
    at = next(at for at in range(len(content)) if content[at : at + 2] in (b"\xff\xc0", b"\xff\xc2"))
    return content[: at + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + content[at + 9 :]


def with_segments(content: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more segments after its first two bytes, each with its marker."""
    added = [b"\xff%c%b%b" % (marker, (len(data) + 2).to_bytes(2, "big"), data) for marker, data in segments]
    return content[:2] + b"".join(added) + content[2:]


def with_scans(content: bytes, count: int) -> bytes:
    """A progressive JPEG with its last scan again and again."""
    last = content.rindex(b"\xff\xda")
    return content[:last] + count * content[last:-2] + content[-2:]
