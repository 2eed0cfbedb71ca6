"""JPEG uploads: the answers are those for the pixels that Pillow decodes, and the right refusals."""

import gzip
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.api.image_codec import MAX_UNSCALED_PIXELS, decode_image
from serving.api.jpeg_segments import MAX_SCANS, MAX_SEGMENTS
from serving.errors import ServingError
from serving.model.signature import InputSpec, Signature
from tests.unit.serving.conftest import running_server
from tests.unit.serving.uploads import form, jpeg, part, picture, pixels, png, with_scans, with_segments, with_size

PATH = "/predict/image"
RAW = {"Content-Type": "image/jpeg"}
FORM = {"Content-Type": "multipart/form-data; boundary=edge"}
# An EXIF directory with one entry: orientation 6, which a viewer would turn by 90 degrees.
TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"

# Adobe's segment of a picture that is stored as RGB. Most are stored as YCbCr, as JFIF has them.
AS_RGB = b"Adobe\0\x64" + b"\0" * 5


def predictions(server, content, headers=RAW):
    answer = server.request("POST", PATH, content, headers)
    assert answer.status == 200, answer.body
    assert list(answer.json) == ["predictions"]
    return np.array(answer.json["predictions"])


PICTURES = {
    "the model's size": jpeg(),
    "a larger one": jpeg(picture(90, 60)),
    "a smaller one": jpeg(picture(2, 3)),
    "full colours": jpeg(subsampling=0),
    "grey": jpeg(picture(8, 8, "L")),
    "four colours": jpeg(picture(8, 8, "CMYK")),
    "as RGB by Adobe's segment": with_segments(jpeg(picture(8, 8))[:2] + jpeg(picture(8, 8))[20:], (0xEE, AS_RGB)),
    "as YCbCr by JFIF's before Adobe's": with_segments(jpeg(picture(8, 8)), (0xEE, AS_RGB)),
    "progressive": jpeg(picture(40, 40), progressive=True),
    "with metadata": with_segments(jpeg(picture(8, 4)), (0xE1, TURNED), (0xFE, b"a comment"), (0xED, b"\0" * 9)),
    "with restarts": jpeg(picture(64, 64), restart_marker_blocks=1),
    "with fill bytes": jpeg()[:2] + b"\xff" * 3 + jpeg()[2:],
}


@pytest.mark.parametrize("content", PICTURES.values(), ids=PICTURES)
def test_it_answers_as_the_model_does_for_the_pixels_that_pillow_decodes(server, direct, content):
    np.testing.assert_allclose(predictions(server, content), direct(pixels(content)), atol=1e-6)


@pytest.mark.parametrize(
    "headers",
    [FORM, {"Content-Type": 'Multipart/Form-Data; boundary="edge"'}],
    ids=["as clients write it", "quoted"],
)
@pytest.mark.parametrize("disposition", [b'form-data; name="x"; filename=""', b"form-data; filename*=UTF-8''cat"])
def test_the_one_file_of_a_form_is_taken_whatever_its_name(server, direct, headers, disposition):
    content = jpeg()
    answered = predictions(server, form(part(content, disposition)), headers)
    np.testing.assert_allclose(answered, direct(pixels(content)), atol=1e-6)


def test_a_zipped_body_is_taken_if_the_header_says_so(server, direct):
    content = jpeg()
    answered = predictions(server, gzip.compress(content), RAW | {"Content-Encoding": "gzip"})
    np.testing.assert_allclose(answered, direct(pixels(content)), atol=1e-6)


def test_uploads_count_as_other_requests(server):
    def counted():
        page = server.request("GET", "/monitoring/prometheus/metrics").body.decode()
        (line,) = [line for line in page.splitlines() if "request_count" in line and 'status="OK"' in line]
        return float(line.split()[-1])

    before = counted()
    predictions(server, jpeg())
    assert counted() == before + 1


def test_uploads_are_batched_as_other_requests(tiny_base_path, tmp_path, direct):
    contents = [jpeg(picture(size, size)) for size in range(4, 12)]
    parameters = tmp_path / "batching"
    parameters.write_text("max_batch_size { value: 8 }\nbatch_timeout_micros { value: 3000000 }")
    flags = "--enable_batching=true", f"--batching_parameters_file={parameters}"
    with running_server(tiny_base_path, tmp_path / "server.log", *flags) as server, ThreadPoolExecutor(8) as pool:
        answered = np.concatenate(list(pool.map(lambda content: predictions(server, content), contents)))
        page = server.request("GET", "/monitoring/prometheus/metrics").body.decode()
    np.testing.assert_allclose(answered, direct(np.concatenate([*map(pixels, contents)])), atol=1e-6)
    (runs,) = [line for line in page.splitlines() if line.startswith(":tensorflow:serving:batching_session:wrapped")]
    assert float(runs.split()[-1]) < len(contents)


SCANS = jpeg(picture(40, 40), progressive=True)
REFUSED = {
    "an empty body": (b"", RAW, 400, "not a JPEG"),
    "a PNG": (png(), RAW, 400, "not a JPEG"),
    "text": (b"photograph", RAW, 400, "not a JPEG"),
    "a truncated picture": (jpeg(picture(90, 60))[:-200], RAW, 400, "truncated"),
    "a truncated header": (jpeg()[:60], RAW, 400, "truncated"),
    "its first bytes alone": (jpeg()[:3], RAW, 400, "truncated"),
    "no marker": (b"\xff\xd8" + b"photograph", RAW, 400, "no marker at byte 2"),
    "no frame": (b"\xff\xd8\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9", RAW, 400, "cannot be decoded"),
    "an unexpected marker": (b"\xff\xd8\xff\xd9" + b"\0" * 20, RAW, 400, "marker ffd9"),
    "a segment of no bytes": (jpeg().replace(b"\xff\xdb\0", b"\xff\xdb\0\0", 1), RAW, 400, "marker ffdb"),
    "no height": (with_size(jpeg(), 0, 4), RAW, 400, "cannot be decoded"),
    "a pixel bomb": (with_size(jpeg(), 60_000, 60_000), RAW, 413, "60000 x 60000 pixels, more than 16777216"),
    "many segments": (
        with_segments(jpeg(), *[(0xFE, b"")] * MAX_SEGMENTS), RAW, 400, f"more than {MAX_SEGMENTS} segments"
    ),
    "many scans": (with_scans(SCANS, MAX_SCANS), RAW, 400, f"scans, more than {MAX_SCANS}"),
    "no content type": (jpeg(), {}, 400, "Content-Type '' is neither image/jpeg nor multipart"),
    "JSON": (b"{}", {"Content-Type": "application/json"}, 400, "Content-Type 'application/json' is neither"),
    "a PNG by its type": (png(), {"Content-Type": "image/png"}, 400, "Content-Type 'image/png' is neither"),
    "a form without a boundary": (form(part(jpeg())), {"Content-Type": "multipart/form-data"}, 400, "a boundary"),
    "another form's boundary": (form(part(jpeg(), boundary=b"x"), boundary=b"x"), FORM, 400, "not begin with its bou"),
    "an empty form": (form(), FORM, 400, "not begin with its boundary and a part"),
    "a form with a field": (form(part(b"x", b'form-data; name="x"')), FORM, 400, "not a file"),
    "a form with a part without headers": (b"--edge\r\n\r\nx\r\n--edge--", FORM, 400, "not a file"),
    "a form with two files": (form(part(jpeg()), part(jpeg())), FORM, 400, "more than one part"),
    "a form with a file and a field": (
        form(part(jpeg()), part(b"true", b'form-data; name="with_resize"')), FORM, 400, "more than one part"
    ),
    "a form without its end": (form(part(jpeg()))[:-12], FORM, 400, "ends without its boundary"),
    "long headers": (form(part(jpeg(), b"form-data; filename=" + b"x" * 5000)), FORM, 400, "do not end within 4096"),
    "a form with a PNG": (form(part(png())), FORM, 400, "not a JPEG"),
    "a body that is too large": (b"\xff\xd8" + b"\0" * 200_000, RAW, 413, "larger than 100000 bytes"),
    "what is not gzip": (jpeg(), RAW | {"Content-Encoding": "gzip"}, 400, "not valid gzip"),
    "an unknown encoding": (jpeg(), RAW | {"Content-Encoding": "br"}, 400, "neither gzip nor identity"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "headers", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_upload_gets_a_status_and_the_problem_by_name(server, content, headers, status, said):
    answer = server.request("POST", PATH, content, headers)
    assert (answer.status, said in answer.json["error"]) == (status, True), answer.body


def test_other_methods_are_refused(server):
    assert server.request("GET", PATH).status == 405


def signature(*inputs: InputSpec) -> Signature:
    return Signature("serving_default", {spec.name: spec for spec in inputs}, ("y",), dict)


def image_input(shape=(None, 4, 4, 3), dtype="float32", name="x") -> InputSpec:
    return InputSpec(name, np.dtype(dtype), shape)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ((image_input(), image_input(name="z")), "has the inputs x float32 [?,4,4,3], z float32 [?,4,4,3]"),
        ((image_input((None, 48)),), "x float32 [?,48], not one of"),
        ((image_input((None, 3, 4, 4)),), "x float32 [?,3,4,4], not one of"),
        ((image_input(None),), "x float32 any shape"),
        ((image_input(dtype="object"),), "does not hold values from 0 to 255"),
        ((image_input(dtype="int8"),), "is int8, which does not hold"),
        ((image_input(dtype="bool"),), "is bool, which does not hold"),
    ],
)
def test_a_model_without_one_image_input_is_named(inputs, said):
    with pytest.raises(ServingError) as refused:
        decode_image(memoryview(jpeg()), signature(*inputs))
    assert said in refused.value.message
    assert refused.value.http_status == 400


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "int32"])
def test_values_are_of_the_input_s_type_and_from_0_to_255(dtype):
    white = jpeg(picture(4, 4).point(lambda _: 255))
    (value,) = decode_image(memoryview(white), signature(image_input(dtype=dtype))).values()
    assert (value.shape, value.dtype.name, value.min(), value.max()) == ((1, 4, 4, 3), dtype, 255, 255)


def test_an_image_keeps_its_size_where_the_model_takes_any():
    anything = signature(image_input((None, None, None, 3)))
    content = jpeg(picture(5, 7))
    np.testing.assert_array_equal(decode_image(memoryview(content), anything)["x"], pixels(content, 5, 7))
    with pytest.raises(ServingError, match=f"840 x 840 pixels, more than {MAX_UNSCALED_PIXELS}"):
        decode_image(memoryview(with_size(content, 840, 840)), anything)


def test_an_image_as_large_as_the_limit_is_taken_and_one_pixel_row_more_is_not():
    side = 4096
    content = jpeg(picture(side, side))
    assert decode_image(memoryview(content), signature(image_input()))["x"].shape == (1, 4, 4, 3)
    with pytest.raises(ServingError, match="4096 x 4097 pixels, more than 16777216"):
        decode_image(memoryview(with_size(content, side + 1, side)), signature(image_input()))


DAMAGE = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=9)


@given(st.sampled_from(["full colours", "four colours", "progressive", "with metadata", "with restarts"]), DAMAGE)
def test_a_damaged_picture_is_decoded_or_refused(kind, damage):
    content = bytearray(PICTURES[kind])
    for at, value in damage:
        content[at % len(content)] = value
    with suppress(ServingError):
        decode_image(memoryview(bytes(content)), signature(image_input()))


def test_metadata_reaches_no_decoder():
    """5,000 entries of EXIF, each of which names the same 60 KB: 300 MB where Pillow reads them."""
    entries = b"".join(struct.pack(">HHII", tag, 7, 60_000, 8) for tag in range(5000))
    bomb = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 5000) + entries
    content = with_segments(jpeg(), (0xE1, bomb[:65_000]))
    tracemalloc.start()
    taken = decode_image(memoryview(content), signature(image_input()))["x"]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(taken, pixels(jpeg()))
    assert peak_bytes < 1e6
