"""What a protocol's name stands for."""

import pytest

from loadtest.generator.clients.protocols import request_body


def test_a_protocol_that_nobody_speaks_is_named() -> None:
    with pytest.raises(ValueError, match="does not speak 'soap'"):
        request_body("soap", b"", "resnet")
