"""What a protocol's name stands for."""

import pytest

from loadtest.generator.clients.protocols import request_bodies
from loadtest.generator.payload import Payload


def test_an_unknown_protocol_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="does not speak 'soap'"):
        request_bodies("soap", Payload("", ()), "resnet")
