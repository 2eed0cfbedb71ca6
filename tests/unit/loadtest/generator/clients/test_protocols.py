"""What a protocol's name stands for."""

import pytest

import stacks.server.protocols
from loadtest.generator.clients.protocols import PROTOCOLS, request_bodies
from loadtest.generator.payload import STRING, Payload, Request, Tensor, packed, strings
from stacks.server.protocols import IMAGE, NAMES


def test_an_unknown_protocol_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="does not speak 'soap'"):
        request_bodies("soap", Payload("", ()), "resnet")


def test_the_generator_speaks_what_a_stack_can_name_and_nothing_else():
    assert tuple(PROTOCOLS) == NAMES == tuple(stacks.server.protocols.PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_writes_bodies_and_makes_clients(protocol: str) -> None:
    known = PROTOCOLS[protocol]
    assert callable(known.resolved(known.body_of))
    body = Tensor("x", "float32", (1, 1), "float32", packed("float32", [0.5]))
    if protocol == IMAGE.name:
        body = Tensor("x", STRING, (1,), STRING, strings([b"a file"]))
    (written,) = request_bodies(protocol, Payload("serving_default", (Request((body,)),)), "resnet")
    assert (written.instances, bool(written.content)) == (1, True)
