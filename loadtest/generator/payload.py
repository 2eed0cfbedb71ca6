"""What a request carries, and the outputs of a right answer, as a file that every protocol's request is written from.

Standard library only: the generator's pod reads it.
"""

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

# TensorFlow's names of types, and the codes that `struct` and `memoryview` have for one value.
CODES: dict[str, Any] = {"float32": "f", "float64": "d", "uint8": "B", "int32": "i", "int64": "q", "bool": "?"}

_BYTES = {name: struct.calcsize(f"={code}") for name, code in CODES.items()}


@dataclass(frozen=True)
class Output:
    """An output of a right answer; the first dimension of `shape` is the number of instances, None is any size.

    Where `shape` itself is None, the output has any.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def fits(self, shape: tuple[int, ...]) -> bool:
        return self.shape is None or fits(shape, self.shape)


@dataclass(frozen=True)
class Tensor:
    """An input. `data` holds its values in row-major order and in this machine's byte order.

    They have the type `stored`, which may be smaller than `dtype`, the type that the model takes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stored: str
    data: bytes

    @property
    def values(self) -> Sequence[Any]:
        return memoryview(self.data).cast(CODES[self.stored])


@dataclass(frozen=True)
class Payload:
    """The inputs of one request; the first dimension of each is the number of instances."""

    signature: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Output, ...]

    def repeated(self, times: int) -> "Payload":
        """So many times as many instances, each of them again and again."""
        inputs = (
            Tensor(each.name, each.dtype, (times * each.shape[0], *each.shape[1:]), each.stored, times * each.data)
            for each in self.inputs
        )
        return Payload(self.signature, tuple(inputs), tuple(_repeated(each, times) for each in self.outputs))

    def to_bytes(self) -> bytes:
        """One line of JSON, and then the data of each input."""
        inputs = [asdict(each) | {"data": None} for each in self.inputs]
        head = {"signature": self.signature, "inputs": inputs, "outputs": [asdict(each) for each in self.outputs]}
        return json.dumps(head).encode() + b"\n" + b"".join(each.data for each in self.inputs)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises ValueError, with the reason, where that is no payload."""
        head, _, data = content.partition(b"\n")
        try:
            fields = json.loads(head)
            inputs, at = [], 0
            for each in fields["inputs"]:
                size = math.prod(each["shape"]) * _BYTES[each["stored"]]
                inputs.append(Tensor(**each | {"shape": tuple(each["shape"]), "data": data[at : at + size]}))
                at += size
            outputs = outputs_from(fields["outputs"])
            signature = fields["signature"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"these {len(content)} bytes are not a payload ({error!r})") from None
        if len(data) != at:
            raise ValueError(f"a payload's inputs have {at} bytes, but {len(data)} follow its first line")
        return cls(signature, tuple(inputs), outputs)


def fits(shape: Sequence[int | None], known: Sequence[int | None]) -> bool:
    """Whether a shape is a known one, in which None is any size."""
    return len(shape) == len(known) and all(size in (None, own) for size, own in zip(known, shape, strict=True))


def outputs_from(fields: Sequence[dict[str, Any]]) -> tuple[Output, ...]:
    """Outputs that went through JSON."""
    return tuple(Output(**each | {"shape": None if each["shape"] is None else tuple(each["shape"])}) for each in fields)


def _repeated(output: Output, times: int) -> Output:
    if not output.shape or output.shape[0] is None:
        return output
    return Output(output.name, output.dtype, (times * output.shape[0], *output.shape[1:]))
