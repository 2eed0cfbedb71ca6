"""The JPEG files of a payload: nearly its pixels, and one error for what is not an image."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loadtest.generator.payload import STRING, Payload, Request, Tensor, packed, strings
from loadtest.run.payload import PHOTOGRAPH, payload_of, photograph, sent
from loadtest.run.uploads import as_uploads
from stacks.explain import SettingsError
from stacks.load.payload import PayloadSettings
from stacks.server.models import RESNET50
from stacks.server.protocols import IMAGE, REST


def file_in(payload: Payload) -> bytes:
    ((tensor,),) = (request.inputs for request in payload.requests)
    assert (tensor.dtype, tensor.shape) == (STRING, (1,))
    (content,) = tensor.values
    return bytes(content)


def pixels_of(content: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        return np.asarray(image)


def test_the_photograph_is_compressed_as_its_own_file_and_differs_by_few_levels() -> None:
    content = file_in(as_uploads(payload_of(RESNET50)))
    before = np.frombuffer(photograph(), np.uint8).reshape(224, 224, 3).astype(int)
    assert abs(len(content) - PHOTOGRAPH.stat().st_size) < 1000
    with Image.open(PHOTOGRAPH) as own, Image.open(io.BytesIO(content)) as image:
        assert image.quantization == own.quantization
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3
    assert abs(pixels_of(content) - before).mean() < 0.5


def test_the_files_are_the_same_each_time() -> None:
    assert as_uploads(payload_of(RESNET50)) == as_uploads(payload_of(RESNET50))


def image(values: list[float], dtype: str = "float32", shape: tuple[int, ...] = (1, 8, 8, 3)) -> Tensor:
    return Tensor("x", dtype, shape, dtype, packed(dtype, values))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8"])
def test_numbers_of_any_type_become_levels(dtype: str) -> None:
    content = file_in(as_uploads(Payload("serving_default", (Request((image([200] * 192, dtype),)),))))
    assert abs(pixels_of(content).astype(int) - 200).max() <= 1


IMAGE_OF_8 = image([9.0] * 192)
REFUSED = {
    "two inputs": (Request((IMAGE_OF_8, replace(IMAGE_OF_8, name="y"))), "has the inputs x, y"),
    "no image": (Request((image([9.0] * 192, shape=(1, 192)),)), r"'x' is sent \[1, 192\] of float32"),
    "two images": (Request((IMAGE_OF_8,)).repeated(2), r"'x' is sent \[2, 8, 8, 3\]"),
    "one channel": (Request((image([9.0] * 64, shape=(1, 8, 8, 1)),)), r"is sent \[1, 8, 8, 1\]"),
    "text": (Request((Tensor("x", STRING, (1, 1, 1, 3), STRING, strings([b"a"] * 3)),)), "of string"),
    "numbers above 255": (Request((image([300.0] * 192),)), "from 300 to 300; set shapebench:model.ranges.x to"),
    "numbers below 0": (Request((image([-1.0] + [9.0] * 191),)), "from -1 to 9"),
    "fractions of 1": (Request((image([0.5] * 192),)), r"from 0.5 to 0.5; .* to \[0, 255\]"),
    "not a number": (Request((image([float("nan")] * 192),)), "from nan to nan"),
}


@pytest.mark.parametrize(("request_", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_one_image_is_refused_with_what_to_set(request_: Request, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        as_uploads(Payload("serving_default", (request_,)))
    assert "shapebench:serving.protocol to rest" in str(refused.value)


def test_another_signature_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"measures 'rank'; .*model\.signature"):
        as_uploads(Payload("rank", (Request((IMAGE_OF_8,)),)))


def test_only_the_protocol_of_uploads_sends_files() -> None:
    uploads, tensors = (sent(RESNET50, PayloadSettings(), Path(), protocol) for protocol in (IMAGE, REST))
    assert tensors.payload == payload_of(RESNET50)
    assert uploads.payload == as_uploads(payload_of(RESNET50))
    assert uploads.description is tensors.description is None


def test_recorded_images_are_uploaded_in_the_model_s_size(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (10, 200, 30)).save(tmp_path / "one.png")
    what = sent(RESNET50, PayloadSettings(path=str(tmp_path)), tmp_path, IMAGE)
    assert pixels_of(file_in(what.payload)).shape == (224, 224, 3)
    assert str(what.description).startswith("serving_default, 1 recorded requests")
