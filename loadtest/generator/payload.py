"""What the requests of a load test carry, as a file that the request of every protocol is written from.

Standard library only: the generator's pod reads it.
"""

import hashlib
import math
import struct
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from loadtest.generator.packed import pack, unpack

# The type of text and of bytes; a value of it has any length.
STRING = "string"

# Half precision, which neither `array` nor `memoryview` has: their codes below are of the bits of a value.
HALVES = ("float16", "bfloat16")
FLOATS = ("float32", "float64", *HALVES)

# TensorFlow's names of types with values of one length, and the codes that `array` and `memoryview` have for a value.
CODES: dict[str, Any] = {
    **dict.fromkeys(HALVES, "H"),
    "float32": "f",
    "float64": "d",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "bool": "?",
}

_LENGTH = struct.Struct("<I")
# The bits of bfloat16's infinity.
_INFINITE = 0x7F80


@dataclass(frozen=True)
class Output:
    """An output of a model. None in `shape` is any size; where `shape` itself is None, it has any.

    The first dimension is that of the instances.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def fits(self, shape: Sequence[int]) -> bool:
        return self.shape is None or fits(shape, self.shape)

    def of_instances(self, count: int) -> "Output":
        """The same of the answer to a request with so many instances."""
        if not self.shape or self.shape[0] is not None:
            return self
        return replace(self, shape=(count, *self.shape[1:]))


@dataclass(frozen=True)
class Tensor:
    """An input. `data` holds its values in row-major order and in this machine's byte order.

    They have the type `stored`, which may be smaller than `dtype`, the type that the model takes. `values` reads them.
    `packed` writes numbers, and `strings` those of type STRING, each after its length.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stored: str
    data: bytes

    @property
    def values(self) -> Sequence[Any]:
        return strings_in(self.data) if self.stored == STRING else unpacked(self.stored, self.data)


@dataclass(frozen=True)
class Request:
    """The inputs of one request; the first dimension of each is the number of instances.

    `json` is its body over REST where that was recorded; otherwise it is written from the inputs.
    """

    inputs: tuple[Tensor, ...]
    json: bytes = b""

    @property
    def instances(self) -> int:
        return self.inputs[0].shape[0]

    def repeated(self, times: int) -> "Request":
        """So many times as many instances, each of them again and again."""
        return Request(
            tuple(
                replace(each, shape=(times * each.shape[0], *each.shape[1:]), data=times * each.data)
                for each in self.inputs
            )
        )


@dataclass(frozen=True)
class Payload:
    """The requests of a load test, which are sent in turn."""

    signature: str
    requests: tuple[Request, ...]

    @property
    def instances(self) -> float:
        """The mean number of instances in a request. The answer to one instance is one prediction."""
        return sum(request.instances for request in self.requests) / len(self.requests)

    def repeated(self, times: int) -> "Payload":
        return Payload(self.signature, tuple(request.repeated(times) for request in self.requests))

    @cached_property
    def digest(self) -> str:
        """Of what is sent."""
        return hashlib.sha256(self._packed()).hexdigest()

    def to_bytes(self) -> bytes:
        """Compressed: what it goes to the generator's pod in holds little."""
        return zlib.compress(self._packed(), level=6)

    def _packed(self) -> bytes:
        requests = [
            [[each.name, each.dtype, each.shape, each.stored] for each in request.inputs] for request in self.requests
        ]
        parts = [part for request in self.requests for part in (request.json, *(each.data for each in request.inputs))]
        return pack({"signature": self.signature, "requests": requests}, parts)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises ValueError, with the reason, where that is no payload."""
        try:
            head, parts = unpack(zlib.decompress(content))
            unread = iter(parts)
            requests = tuple(_request(next(unread), inputs, unread) for inputs in head["requests"])
            return cls(head["signature"], requests)
        except (zlib.error, ValueError, KeyError, TypeError, StopIteration) as error:
            raise ValueError(f"these {len(content)} bytes are not a payload ({error!r})") from None


def _request(json: bytes, inputs: Iterable[Any], unread: Iterable[bytes]) -> Request:
    # The inputs first: their iterator ends before a part is taken that is not theirs.
    tensors = (
        Tensor(name, dtype, tuple(shape), stored, data)
        for (name, dtype, shape, stored), data in zip(inputs, unread, strict=False)
    )
    return Request(tuple(tensors), json)


def packed(dtype: str, values: Iterable[Any]) -> bytes:
    """The `data` of a tensor with these numbers; raises OverflowError for one that the type does not hold."""
    if dtype == "float16":
        numbers = tuple(map(float, values))
        return struct.pack(f"{len(numbers)}e", *numbers)
    if dtype == "bfloat16":
        values = map(_bfloat16, map(float, values))
    return array("B" if dtype == "bool" else CODES[dtype], values).tobytes()


def unpacked(dtype: str, data: bytes) -> Sequence[Any]:
    """The numbers in the `data` of a tensor; raises ValueError for part of one."""
    try:
        values = memoryview(data).cast(CODES[dtype])
    except TypeError:
        raise ValueError(f"has {len(data)} bytes, which end within a value of {dtype}") from None
    return from_bits(dtype, values) if dtype in HALVES else values


def from_bits(dtype: str, bits: Iterable[int]) -> Sequence[float]:
    """Numbers in half precision from their bits; raises OverflowError for more than two bytes."""
    halves = array("H", bits)
    if dtype == "float16":
        return struct.unpack(f"{len(halves)}e", halves)
    # The upper half of a float32.
    return memoryview(array("I", (each << 16 for each in halves))).cast("B").cast("f")


def _bfloat16(value: float) -> int:
    """The bits of the nearest number, or of the even one of two, as TensorFlow rounds."""
    (bits,) = struct.unpack("I", struct.pack("f", value))
    nearest: int = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    if nearest & 0x7FFF == _INFINITE and math.isfinite(value):
        raise OverflowError
    return nearest


def strings(values: Iterable[bytes]) -> bytes:
    """The `data` of a tensor with these values."""
    return b"".join(_LENGTH.pack(len(value)) + value for value in values)


def strings_in(data: bytes) -> list[bytes]:
    """The values in the `data` of such a tensor; raises ValueError for part of one."""
    found, at = [], 0
    while at < len(data):
        if len(data) < at + _LENGTH.size:
            raise ValueError(f"ends {len(data) - at} bytes into the length of a text")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + length
        if len(data) < at:
            raise ValueError(f"ends within a text of {length} bytes")
        found.append(data[at - length : at])
    return found


def fits(shape: Sequence[int | None], known: Sequence[int | None]) -> bool:
    """Whether a shape is a known one, in which None is any size."""
    return len(shape) == len(known) and all(size in (None, own) for size, own in zip(known, shape, strict=True))


def outputs_from(fields: Sequence[dict[str, Any]]) -> tuple[Output, ...]:
    """Outputs that went through JSON."""
    return tuple(
        Output(**field | {"shape": None if field["shape"] is None else tuple(field["shape"])}) for field in fields
    )
