"""Reads recorded requests: bodies of REST calls, Triton's input data, NumPy arrays, images."""

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from loadtest.generator.clients.v2.data_types import DATATYPES
from loadtest.generator.nested import flat
from loadtest.generator.payload import FLOATS, HALVES, STRING, Request, Tensor, fits, packed, strings, unpacked
from stacks.explain import SettingsError
from stacks.server.models import DEFAULT_SIGNATURE, Model, TensorSpec

_KEY = "shapebench:payload.path"
# Each is sent once before a test, and each worker of the generator holds them all, up to five times as large.
_MOST_REQUESTS, _MOST_MIB = 10_000, 64
_IMAGES = (".jpg", ".jpeg", ".png")


def recorded_requests(path: str, checkout: Path, model: Model) -> tuple[tuple[Request, ...], str]:
    """The requests, and a digest of the files; raises SettingsError, which names the request that is wrong."""
    file = _file(path, checkout)
    read = _READERS.get("folder" if file.is_dir() else file.suffix.lower())
    if read is None:
        raise SettingsError(
            f"{_KEY} is {path!r}, whose ending says nothing of what is in it; give a file of"
            f" {', '.join(each for each in _READERS if each != 'folder')}, or a folder of images"
        )
    try:
        requests = _within_limits(read(file, model))
        digest = _digest(file)
    except OSError as error:
        raise _unreadable(path, file, error) from None
    except ValueError as error:
        raise SettingsError(f"{_KEY} is {path!r}, but {error}") from None
    if not requests:
        raise SettingsError(f"{_KEY} is {path!r}, but there is no request in it; record at least one")
    return requests, digest


def digest_of(path: str, checkout: Path) -> str:
    """Of what is in the file, or in the images of the folder; raises SettingsError where it cannot be read."""
    file = _file(path, checkout)
    try:
        return _digest(file)
    except OSError as error:
        raise _unreadable(path, file, error) from None


def _file(path: str, checkout: Path) -> Path:
    return (checkout / Path(path).expanduser()).resolve()


def _unreadable(path: str, file: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{_KEY} is {path!r}, but {file} cannot be read: {error.strerror or error}")


def _within_limits(requests: Iterable[Request]) -> tuple[Request, ...]:
    taken: list[Request] = []
    size_bytes = 0
    for request in requests:
        size_bytes += len(request.json) + sum(len(each.data) for each in request.inputs)
        if len(taken) == _MOST_REQUESTS or size_bytes > _MOST_MIB * 2**20:
            raise ValueError(
                f"it has more than {_MOST_REQUESTS:,} requests or {_MOST_MIB} MiB, which the generator cannot hold;"
                f" give at most the first {len(taken):,}"
            )
        taken.append(request)
    return tuple(taken)


def _digest(file: Path) -> str:
    found = hashlib.sha256()
    for path in _images(file) if file.is_dir() else [file]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _json_lines(file: Path, model: Model) -> Iterator[Request]:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            with _named(f"line {number}"):
                request = _body(line, model)
            yield request


def _json(file: Path, model: Model) -> Iterator[Request]:
    """One body, or Triton's input data, which has one instance in each of its entries."""
    content = file.read_bytes()
    document = _parsed(content)
    if not isinstance(document, dict) or "data" not in document:
        yield _body(content, model)
        return
    entries = document["data"]
    if not isinstance(entries, list):
        raise ValueError("data is no list of requests")  # noqa: TRY004 - what a file holds
    # A list of lists has sequences of requests.
    steps = [step for entry in entries for step in (entry if isinstance(entry, list) else [entry])]
    for number, step in enumerate(steps, start=1):
        with _named(f"entry {number} of data"):
            request = _triton(step, model)
        yield request


def _arrays(file: Path, model: Model) -> Iterator[Request]:
    import numpy as np  # noqa: PLC0415 - most of Pulumi's commands read no arrays

    loaded = np.load(file, allow_pickle=False)
    names = [each.name for each in model.inputs]
    if isinstance(loaded, np.ndarray):
        if len(names) != 1:
            raise ValueError(f"has one array, and the model has the inputs {', '.join(names)}; give an .npz with these")
        arrays = {names[0]: loaded}
    else:
        arrays = dict(loaded)
    _require_inputs(arrays, model)
    if len({len(array) for array in arrays.values()}) != 1:
        raise ValueError("its arrays have different lengths, so they are not of the same requests")
    at_once = model.inputs[0].shape[0] or 1
    count = len(arrays[names[0]])
    if count % at_once:
        raise ValueError(
            f"has {count} instances, but the model takes {at_once} in each request; give a multiple of them"
        )
    for at in range(0, count, at_once):
        rows = {name: each[at : at + at_once] for name, each in arrays.items()}
        yield _of_arrays(rows, model)


def _of_arrays(rows: Mapping[str, Any], model: Model) -> Request:
    return Request(_inputs(model, lambda spec: _array(spec, rows[spec.name])))


def _images_in(folder: Path, model: Model) -> Iterator[Request]:
    spec = model.inputs[0]
    if len(model.inputs) != 1 or not (spec.dtype == STRING or (len(spec.shape) == 4 and spec.shape[3] in (1, 3))):
        raise ValueError("a folder has images, and the model has not one input that is an image or text")
    for path in _images(folder):
        if spec.dtype == STRING:
            yield Request((_tensor(spec, (1,), [path.read_bytes()]),))
        else:
            with _named(path.name):
                image = _pixels(spec, path)
            yield Request((image,))


_READERS: Mapping[str, Callable[[Path, Model], Iterator[Request]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".npy": _arrays,
    ".npz": _arrays,
    "folder": _images_in,
}


@contextmanager
def _named(what: str) -> Iterator[None]:
    """A ValueError inside says of what it is, and goes on from there."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what} {error}") from None


def _inputs(model: Model, read: Callable[[TensorSpec], Tensor]) -> tuple[Tensor, ...]:
    found = []
    for spec in model.inputs:
        with _named(f"has the input {spec.name!r}, which"):
            found.append(read(spec))
    if len({each.shape[0] for each in found}) > 1:
        shapes = ", ".join(f"{each.name} {_shown(each.shape)}" for each in found)
        raise ValueError(f"has inputs of different numbers of instances: {shapes}")
    return tuple(found)


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - JSON's
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None


def _body(content: bytes, model: Model) -> Request:
    """A body of TensorFlow Serving's predict call, in rows or in columns, which is sent over REST as it is.

    Or one of the Open Inference Protocol's, with its values in the JSON, whose tensors are sent.
    """
    document = _parsed(content)
    if isinstance(document, dict) and _are_tensors(inputs := document.get("inputs")):
        tensors = {str(each["name"]): each for each in inputs}
        _require_inputs(tensors, model)
        return Request(_inputs(model, lambda spec: _v2_input(spec, tensors[spec.name])))
    if not isinstance(document, dict) or ("instances" in document) == ("inputs" in document):
        raise ValueError("is no body of a predict call: it has neither instances nor inputs, or both")
    signature = document.get("signature_name", DEFAULT_SIGNATURE)
    if signature != model.signature:
        raise ValueError(
            f"is for the signature {signature!r}, but the stack measures {model.signature!r}; set"
            " shapebench:model.signature to that of the requests"
        )
    of_rows = "instances" in document
    columns = _of_rows(document["instances"], model) if of_rows else _of_columns(document["inputs"], model)
    _require_inputs(columns, model)
    return Request(_inputs(model, lambda spec: _tensor(spec, *flat(columns[spec.name]))), content.strip())


def _are_tensors(inputs: object) -> TypeGuard[list[dict[str, Any]]]:
    keys = {"name", "datatype", "shape", "data"}
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(each, dict) and keys <= each.keys() for each in inputs)
    )


def _v2_input(spec: TensorSpec, tensor: Mapping[str, Any]) -> Tensor:
    if tensor["datatype"] != DATATYPES[spec.dtype]:
        raise ValueError(f"has {str(tensor['datatype'])[:40]}, but the model takes {DATATYPES[spec.dtype]} there")
    shape = tensor["shape"]
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise ValueError(f"has the shape {str(shape)[:40]!r}, which is no list of sizes")
    return _tensor(spec, tuple(shape), flat(tensor["data"])[1])


def _of_rows(rows: object, model: Model) -> Mapping[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise ValueError("has no list of instances")
    names = {each.name for each in model.inputs}
    if all(isinstance(row, dict) and not _is_base64(row) for row in rows):
        if len({frozenset(row) for row in rows}) != 1:
            raise ValueError("has instances with different inputs")
        return {name: [row[name] for row in rows] for name in rows[0]}
    if len(names) != 1:
        raise ValueError(f"has instances without names, but the model has the inputs {', '.join(sorted(names))}")
    return dict.fromkeys(names, rows)


def _of_columns(inputs: object, model: Model) -> Mapping[str, Any]:
    if isinstance(inputs, dict) and not _is_base64(inputs):
        return inputs
    if len(model.inputs) != 1:
        raise ValueError("has inputs without names, but the model has several")
    return {model.inputs[0].name: inputs}


def _triton(step: object, model: Model) -> Request:
    """One instance: each input is a list of its values, or an object with them as `content` and its `shape`."""
    if not isinstance(step, dict):
        raise ValueError("is no object with inputs")  # noqa: TRY004 - the same
    _require_inputs(step, model)
    return Request(_inputs(model, lambda spec: _triton_input(spec, step[spec.name])))


def _triton_input(spec: TensorSpec, value: object) -> Tensor:
    content = value.get("content", value) if isinstance(value, dict) else value
    if _is_base64(content):
        raw = base64.b64decode(content["b64"], validate=True)  # type: ignore[index]
        values = [raw] if spec.dtype == STRING else list(unpacked(spec.dtype, raw))
    else:
        _, values = flat(content)
    shape = value.get("shape") if isinstance(value, dict) else None
    if shape is None:
        shape = list(spec.shape[1:])
        if None in shape:
            raise ValueError(f"has no shape, but the model takes {_shown(spec.shape[1:])} there; add its shape")
    if len(shape) == len(spec.shape) - 1:
        shape = [1, *shape]
    return _tensor(spec, tuple(shape), values)


def _array(spec: TensorSpec, rows: Any) -> Tensor:  # noqa: ANN401 - NumPy's, whose types say nothing here
    if spec.dtype == STRING:
        if rows.dtype.kind not in "SU":
            raise ValueError(f"has {rows.dtype.name}, but the model takes text there")
        return _tensor(spec, rows.shape, rows.ravel().tolist())
    if rows.dtype.kind not in "biuf" or (rows.dtype.kind == "f" and spec.dtype not in FLOATS):
        raise ValueError(f"has {rows.dtype.name}, but the model takes {spec.dtype} there")
    if spec.dtype in HALVES:
        return _tensor(spec, rows.shape, rows.ravel().tolist())
    _require_fit(spec, rows.shape)
    typed = rows.astype(spec.dtype)
    if spec.dtype not in FLOATS and not (typed == rows).all():
        raise ValueError(f"has numbers that {spec.dtype}, which the model takes, does not hold")
    return Tensor(spec.name, spec.dtype, tuple(rows.shape), spec.dtype, typed.tobytes())


def _pixels(spec: TensorSpec, path: Path) -> Tensor:
    """Scaled to what the model takes; values from 0 to 255, as in the photograph that ResNet50 gets."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - most of Pulumi's commands read no images

    _, height, width, channels = spec.of_one
    if None in spec.shape[1:3]:
        raise ValueError(
            "is scaled to what the model takes, but its height or width is any; set shapebench:model.shapes"
        )
    try:
        with Image.open(path) as image:
            scaled = image.convert("RGB" if channels == 3 else "L").resize((width, height))
    except UnidentifiedImageError:
        raise ValueError("is no image that can be read") from None
    return Tensor(spec.name, spec.dtype, (1, height, width, channels), "uint8", scaled.tobytes())


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _IMAGES)


def _tensor(spec: TensorSpec, shape: tuple[int, ...], values: Sequence[Any]) -> Tensor:
    """Raises ValueError, which goes on after the name of the input, where the model does not take that."""
    _require_fit(spec, shape)
    if len(values) != math.prod(shape):
        raise ValueError(f"has {len(values)} values, but its shape {_shown(shape)} holds {math.prod(shape)}")
    if spec.dtype == STRING:
        return Tensor(spec.name, STRING, shape, STRING, strings(map(_text, values)))
    types = (float, int) if spec.dtype in FLOATS else (bool,) if spec.dtype == "bool" else (int,)
    if odd := [value for value in values if type(value) not in types]:
        raise ValueError(f"has {str(odd[0])[:40]!r}, but the model takes {spec.dtype} there")
    try:
        data = packed(spec.dtype, values)
    except OverflowError:
        raise ValueError(f"has a number that {spec.dtype}, which the model takes, does not hold") from None
    return Tensor(spec.name, spec.dtype, shape, spec.dtype, data)


def _text(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if _is_base64(value):
        return base64.b64decode(value["b64"], validate=True)  # type: ignore[index]
    raise ValueError(f"has {str(value)[:40]!r}, but the model takes text there, or bytes as an object with b64")


def _is_base64(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _require_inputs(given: Mapping[str, Any], model: Model) -> None:
    names = {each.name for each in model.inputs}
    if missing := sorted(names - given.keys()):
        raise ValueError(f"has no input {missing[0]!r}, which the model takes")
    if extra := sorted(given.keys() - names):
        raise ValueError(
            f"has an input {extra[0]!r}, which the model does not take; it takes {', '.join(sorted(names))}"
        )


def _require_fit(spec: TensorSpec, shape: Sequence[int]) -> None:
    if not fits(shape, spec.shape):
        raise ValueError(
            f"has the shape {_shown(shape)}, but the model takes {_shown(spec.shape)}, where ? is any size"
        )
    if 0 in shape:
        raise ValueError(f"is empty: its shape is {_shown(shape)}")


def _shown(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"
