"""Properties to plain values and back."""

from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import PropertyValue

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


def test_a_computed_value_is_unknown_after_a_round_trip():
    assert to_plain({"digest": PropertyValue.computed()}) == {"digest": UNKNOWN}
    assert to_plain(from_plain({"digest": [UNKNOWN]})) == {"digest": [UNKNOWN]}


def test_a_whole_number_becomes_an_int():
    assert isinstance(to_plain({"port": PropertyValue(8501.0)})["port"], int)
