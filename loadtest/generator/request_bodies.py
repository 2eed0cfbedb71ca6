"""The files beside the rows with the bodies of the requests, and with the right answer to each. Standard library only.

The bodies are written once for a test, so that sending one takes no time to write it.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loadtest.generator.packed import pack, unpack

_ORDER_SEED = 1

Sent = TypeVar("Sent")


@dataclass(frozen=True)
class RequestBody:
    """What one request sends, and the number of instances in it. `answer` is the right one, empty where not known."""

    content: bytes
    instances: int = 1
    answer: bytes = b""


def write_bodies(path: Path, bodies: Sequence[RequestBody]) -> None:
    head = [body.instances for body in bodies]
    path.write_bytes(pack(head, [part for body in bodies for part in (body.content, body.answer)]))


def read_bodies(path: Path) -> list[RequestBody]:
    head, parts = unpack(path.read_bytes())
    return [RequestBody(parts[2 * at], instances, parts[2 * at + 1]) for at, instances in enumerate(head)]


def in_turn(requests: Sequence[Sent], worker: int, workers: int) -> Iterator[Sent]:
    """What each of so many workers sends, without an end: together they send one as often as another.

    The order is by chance and always the same, so that every run sends them in the same one.
    """
    shuffled = random.Random(_ORDER_SEED).sample(requests, len(requests))  # noqa: S311 - no secret
    return (shuffled[number % len(shuffled)] for number in itertools.count(worker, workers))
