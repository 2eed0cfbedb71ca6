"""Plain values survive the way to the engine and back."""

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
def test_plain_values_come_back_as_they_went(props):
    assert to_plain(from_plain(props)) == props


def test_what_a_preview_cannot_know_stays_unknown():
    assert to_plain({"digest": PropertyValue.computed()}) == {"digest": UNKNOWN}
    assert to_plain(from_plain({"digest": [UNKNOWN]})) == {"digest": [UNKNOWN]}


def test_whole_numbers_come_back_whole():
    assert isinstance(to_plain({"port": PropertyValue(8501.0)})["port"], int)
