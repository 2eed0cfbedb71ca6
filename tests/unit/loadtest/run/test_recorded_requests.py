"""Recorded requests are those that were recorded, over either protocol, and what the model does not take is refused."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loadtest.generator.clients.rest.request import rest_body_of
from loadtest.generator.payload import STRING, Request
from loadtest.run.recorded_requests import recorded_requests
from stacks.explain import SettingsError
from stacks.server.models import RESNET50, Model, TensorSpec


def model_of(signature: str = "serving_default", **inputs: tuple[str, tuple[int | None, ...]]) -> Model:
    specs = tuple(TensorSpec(name=name, dtype=dtype, shape=shape) for name, (dtype, shape) in inputs.items())
    return RESNET50.model_copy(update={"inputs": specs, "signature": signature, "payload": "generated"})


TEXT = model_of(text=(STRING, (None,)))
TABLE = model_of(age=("int64", (None,)), income=("float32", (None, 2)), country=(STRING, (None,)))
IDS = model_of(ids=("int32", (None, None)))
HALF = model_of(x=("float16", (None, 2)))


def read(folder: Path, model: Model, name: str, content: object) -> tuple[Request, ...]:
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return recorded_requests(name, folder, model)[0]


def values_of(request: Request) -> dict[str, Any]:
    return {tensor.name: (tensor.shape, list(tensor.values)) for tensor in request.inputs}


def test_a_line_is_a_body_with_its_own_instances_and_is_sent_as_it_is(tmp_path: Path) -> None:
    lines = [
        '{"instances": ["good",  "bad"]}',
        "",
        '{"inputs": {"text": ["so"]}}',
        '{"instances": [{"b64": "/w=="}]}',
    ]
    requests = read(tmp_path, TEXT, "recorded.jsonl", "\n".join(lines))
    assert [rest_body_of(request, "any") for request in requests] == [line.encode() for line in lines if line]
    assert [values_of(request)["text"] for request in requests] == [
        ((2,), [b"good", b"bad"]), ((1,), [b"so"]), ((1,), [b"\xff"]),
    ]  # fmt: skip
    assert [request.instances for request in requests] == [2, 1, 1]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"age": 3, "income": [1, 2.5], "country": "DE"}]},
        {"inputs": {"age": [3], "income": [[1, 2.5]], "country": ["DE"]}},
        {"signature_name": "serving_default", "instances": [{"country": "DE", "income": [1, 2.5], "age": 3}]},
    ],
)
def test_rows_and_columns_are_the_same_tensors(tmp_path: Path, body: object) -> None:
    for name in ("one.json", "one.jsonl"):
        (request,) = read(tmp_path, TABLE, name, body)
        assert values_of(request) == {
            "age": ((1,), [3]), "income": ((1, 2), [1.0, 2.5]), "country": ((1,), [b"DE"]),
        }  # fmt: skip


def test_each_request_may_have_a_size_of_its_own(tmp_path: Path) -> None:
    requests = read(tmp_path, IDS, "r.jsonl", '{"instances": [[1, 2]]}\n{"instances": [[1, 2, 3], [4, 5, 6]]}')
    assert [request.inputs[0].shape for request in requests] == [(1, 2), (2, 3)]


def test_tritons_input_data_is_an_instance_in_each_entry(tmp_path: Path) -> None:
    data = [
        {"age": [3], "income": [1, 2], "country": ["DE"]},
        {"age": {"content": [4], "shape": [1]}, "income": {"content": [1, 2], "shape": [1, 2]}, "country": ["FR"]},
        [{"age": [5], "income": {"b64": base64.b64encode(np.float32([7, 8]).tobytes()).decode()}, "country": ["FR"]}],
    ]
    requests = read(tmp_path, TABLE, "triton.json", {"data": data})
    assert [values_of(request)["age"] for request in requests] == [((1,), [3]), ((1,), [4]), ((1,), [5])]
    assert values_of(requests[2])["income"] == ((1, 2), [7.0, 8.0])


def test_an_array_has_an_instance_in_each_row(tmp_path: Path) -> None:
    arrays = {
        "age": np.arange(3), "income": np.ones((3, 2)), "country": np.array(["DE", "FR", "é"]),
    }  # fmt: skip
    np.savez(tmp_path / "table.npz", **arrays)
    requests, _ = recorded_requests("table.npz", tmp_path, TABLE)
    assert [values_of(request) for request in requests] == [
        {"age": ((1,), [at]), "income": ((1, 2), [1, 1]), "country": ((1,), [arrays["country"][at].encode()])}
        for at in range(3)
    ]
    np.save(tmp_path / "ids.npy", np.arange(8, dtype=np.uint8).reshape(2, 4))
    requests, _ = recorded_requests("ids.npy", tmp_path, IDS)
    assert [values_of(request)["ids"] for request in requests] == [((1, 4), [0, 1, 2, 3]), ((1, 4), [4, 5, 6, 7])]


@pytest.mark.parametrize(("dtype", "tenth"), [("float16", 0.0999755859375), ("bfloat16", 0.10009765625)])
@pytest.mark.parametrize("recorded", [np.float16, np.float32, np.float64])
def test_arrays_of_any_precision_are_sent_in_the_models(
    tmp_path: Path, dtype: str, tenth: float, recorded: type[np.floating[Any]]
) -> None:
    np.save(tmp_path / "x.npy", np.array([[0.1, 2]], recorded))
    (request,) = recorded_requests("x.npy", tmp_path, model_of(x=(dtype, (None, 2))))[0]
    assert values_of(request) == {"x": ((1, 2), [tenth, 2])}


def test_bytes_of_tritons_input_data_are_in_the_models_precision(tmp_path: Path) -> None:
    encoded = base64.b64encode(np.float16([1.5, -2]).tobytes()).decode()
    (request,) = read(tmp_path, HALF, "triton.json", {"data": [{"x": {"b64": encoded}}]})
    assert values_of(request) == {"x": ((1, 2), [1.5, -2])}


def test_a_model_with_instances_of_its_own_gets_as_many_in_each_request(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(6, dtype=np.float32).reshape(6, 1))
    requests, _ = recorded_requests("x.npy", tmp_path, model_of(x=("float32", (3, 1))))
    assert [request.instances for request in requests] == [3, 3]


def test_images_are_scaled_to_what_the_model_takes_or_sent_as_they_are(tmp_path: Path) -> None:
    for number, name in enumerate(("b.png", "a.jpg", "ignored.txt")):
        encoded = io.BytesIO()
        Image.new("RGB", (30, 20), (number * 100, 50, 7)).save(encoded, format="PNG")
        (tmp_path / name).write_bytes(encoded.getvalue())
    first, second = recorded_requests(".", tmp_path, RESNET50)[0]
    assert [request.inputs[0].shape for request in (first, second)] == [(1, 224, 224, 3)] * 2
    assert list(first.inputs[0].values[:3]) == [100, 50, 7]
    assert list(second.inputs[0].values[:3]) == [0, 50, 7]
    encoded_ones, _ = recorded_requests(".", tmp_path, TEXT)
    assert [request.inputs[0].values for request in encoded_ones] == [
        [(tmp_path / name).read_bytes()] for name in ("a.jpg", "b.png")
    ]


def test_the_digest_is_that_of_what_was_recorded(tmp_path: Path) -> None:
    digests = set()
    for text in ("a", "b", "a"):
        (tmp_path / "r.jsonl").write_text(json.dumps({"instances": [text]}))
        digests.add(recorded_requests("r.jsonl", tmp_path, TEXT)[1])
    assert len(digests) == 2


def _npz(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


ROW = {"age": 1, "income": [1, 2], "country": "DE"}


@pytest.mark.parametrize(
    ("model", "name", "content", "said"),
    [
        (TEXT, "r.txt", "x", "whose ending says nothing"),
        (TEXT, "r.jsonl", "", "there is no request in it"),
        (TEXT, "r.jsonl", "{", "line 1 is no JSON"),
        (TEXT, "r.jsonl", "\n[1]", "line 2 is no body of a predict call"),
        (TEXT, "r.jsonl", '{"instances": ["a"], "inputs": ["a"]}', "it has neither instances nor inputs, or both"),
        (TEXT, "r.jsonl", '{"instances": []}', "line 1 has no list of instances"),
        (TEXT, "r.jsonl", '{"instances": "a"}', "line 1 has no list of instances"),
        (TEXT, "r.jsonl", '{"instances": [1]}', "line 1 has the input 'text', which has '1', but the model takes text"),
        (TEXT, "r.jsonl", '{"instances": [["a"]]}', r"which has the shape \[1, 1\], but the model takes \[\?\]"),
        (TEXT, "r.jsonl", '{"instances": [{"b64": "?"}]}', "which "),
        (TEXT, "r.jsonl", '{"signature_name": "other", "instances": ["a"]}', "is for the signature 'other'"),
        (IDS, "r.jsonl", '{"instances": [[1], [2, 3]]}', "has lists of different lengths beside each other"),
        (IDS, "r.jsonl", '{"instances": [[1.5]]}', "has '1.5', but the model takes int32 there"),
        (IDS, "r.jsonl", '{"instances": [[true]]}', "has 'True', but the model takes int32 there"),
        (
            IDS,
            "r.jsonl",
            '{"instances": [[3000000000]]}',
            "has a number that int32, which the model takes, does not hold",
        ),
        (IDS, "r.jsonl", '{"instances": [[]]}', r"is empty: its shape is \[1, 0\]"),
        (TABLE, "r.json", {"instances": [1]}, "has instances without names, but the model has the inputs"),
        (TABLE, "r.json", {"instances": [{"age": 1}]}, "has no input 'country', which the model takes"),
        (TABLE, "r.json", {"instances": [ROW | {"x": 1}]}, "has an input 'x', which the model does not take"),
        (TABLE, "r.json", {"instances": [ROW, {"age": 1}]}, "has instances with different inputs"),
        (
            TABLE,
            "r.json",
            {"inputs": {"age": [1, 2], "income": [[1, 2]], "country": ["DE"]}},
            "different numbers",
        ),
        (TABLE, "r.json", {"inputs": [1]}, "has inputs without names, but the model has several"),
        (TABLE, "r.json", {"data": {}}, "data is no list of requests"),
        (TABLE, "r.json", {"data": [1]}, "entry 1 of data is no object with inputs"),
        (
            TABLE,
            "r.json",
            {"data": [{"age": [1], "income": [1], "country": ["DE"]}]},
            r"has 1 values, but its shape \[1, 2\]",
        ),
        (IDS, "r.json", {"data": [{"ids": [1, 2]}]}, r"has no shape, but the model takes \[\?\] there; add its shape"),
        (IDS, "r.npz", b"no zip", "cannot be read|is no|Cannot load|but "),
        (IDS, "r.npz", _npz(other=np.ones((1, 1))), "has no input 'ids'"),
        (IDS, "r.npz", _npz(ids=np.ones((1, 1))), "has float64, but the model takes int32 there"),
        (
            IDS,
            "r.npz",
            _npz(ids=np.full((1, 1), 2**40)),
            "has numbers that int32, which .* does not hold",
        ),
        (TABLE, "r.npz", _npz(age=[1, 2], income=np.ones((1, 2)), country=["a"]), "its arrays have different lengths"),
        (TEXT, "r.npz", _npz(text=np.ones(1)), "has float64, but the model takes text there"),
        (HALF, "r.npz", _npz(x=np.float32([[1, 65520]])), "has a number that float16, which the model takes, does not"),
        (HALF, "r.npz", _npz(x=np.ones((1, 3), np.float16)), r"has the shape \[1, 3\], but the model takes \[\?, 2\]"),
        (HALF, "r.json", {"data": [{"x": {"b64": "AAAA"}}]}, "has 3 bytes, which end within a value of float16"),
        (model_of(x=("float32", (3, 1))), "r.npz", _npz(x=np.ones((4, 1))), "4 instances, but the model takes 3"),
    ],
)
def test_what_the_model_does_not_take_is_one_error(
    tmp_path: Path, model: Model, name: str, content: object, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read(tmp_path, model, name, content)
    assert str(caught.value).startswith(f"shapebench:payload.path is {name!r}, ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: No such file or directory"):
        recorded_requests("r.jsonl", tmp_path, TEXT)


def test_a_folder_needs_a_model_of_one_image_or_text(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has not one input that is an image or text"):
        recorded_requests(".", tmp_path, TABLE)
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    with pytest.raises(SettingsError, match=r"a\.png is no image that can be read"):
        recorded_requests(".", tmp_path, RESNET50)


def test_more_requests_than_the_generator_holds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"more than 10,000 requests or 64 MiB, .*; give at most the first 10,000$"):
        read(tmp_path, TEXT, "r.jsonl", '{"instances": ["a"]}\n' * 10_001)
    np.save(tmp_path / "x.npy", np.zeros((70, 2**18), np.float32))
    with pytest.raises(SettingsError, match=r"give at most the first 64$"):
        recorded_requests("x.npy", tmp_path, model_of(x=("float32", (None, None))))


V2_TABLE = {
    "inputs": [
        {"name": "age", "datatype": "INT64", "shape": [2], "data": [41, 7]},
        {"name": "income", "datatype": "FP32", "shape": [2, 2], "data": [[0.5, 1], [2, 3]]},
        {"name": "country", "datatype": "BYTES", "shape": [2], "data": ["DE", "FR"]},
    ]
}


def test_a_body_of_the_open_inference_protocol_is_its_tensors(tmp_path: Path) -> None:
    (request,) = read(tmp_path, TABLE, "recorded.json", V2_TABLE)
    assert values_of(request) == {
        "age": ((2,), [41, 7]),
        "income": ((2, 2), [0.5, 1, 2, 3]),
        "country": ((2,), [b"DE", b"FR"]),
    }
    assert request.json == b"", "TensorFlow Serving would refuse it"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"datatype": "INT32"}, "has INT32, but the model takes INT64 there"),
        ({"shape": "2"}, "which is no list of sizes"),
        ({"shape": [3]}, "has 2 values, but its shape"),
        ({"name": "years"}, "has no input 'age'"),
    ],
)
def test_what_the_model_does_not_take_of_such_a_body_is_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    age, *others = V2_TABLE["inputs"]
    with pytest.raises(SettingsError, match=said):
        read(tmp_path, TABLE, "recorded.json", {"inputs": [age | changes, *others]})
