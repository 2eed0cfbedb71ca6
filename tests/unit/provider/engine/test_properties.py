"""Properties to plain values and back."""

from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc

from provider.engine.properties import from_plain, to_plain
from provider.resource import UNKNOWN

leaves = (
    st.none()
    | st.booleans()
    | st.text()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(st.dictionaries(st.text(min_size=1), values))
def test_plain_values_are_the_same_after_a_round_trip(props):
    assert to_plain(from_plain(props)) == props


def test_a_value_that_is_computed_later_crosses_the_wire_at_any_depth():
    """As the engine sends it in a preview, and as it reads it: the text by which Pulumi's protocol says "unknown"."""
    on_the_wire = struct_pb2.Struct()
    on_the_wire.update({"digest": rpc.UNKNOWN, "serving": {"model": {"weights": rpc.UNKNOWN}, "ports": [rpc.UNKNOWN]}})
    props = to_plain(PropertyValue.unmarshal_map(on_the_wire))
    assert props == {"digest": UNKNOWN, "serving": {"model": {"weights": UNKNOWN}, "ports": [UNKNOWN]}}
    assert PropertyValue.marshal_map(from_plain(props)) == on_the_wire


def test_a_whole_number_becomes_an_int():
    assert isinstance(to_plain({"port": PropertyValue(8501.0)})["port"], int)
