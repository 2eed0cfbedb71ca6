import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.explain import SettingsError
from stacks.files import load_config, with_defaults
from stacks.numbers import number_of
from stacks.settings import parse_settings


@given(st.integers(min_value=1000, max_value=10**12), st.sampled_from([",", "'", " "]))
def test_a_number_with_separators_is_refused_and_shown_without_them(number: int, separator: str):
    written = f"{number:,}".replace(",", separator)
    with pytest.raises(ValueError, match=rf"is not a number; .*, such as {number}$"):
        number_of(written)
    assert number_of(str(number)) == number


@pytest.mark.parametrize(("text", "why"), [("2,000", "such as 2000"), ("16", "write it without quotes")])
def test_a_text_in_place_of_a_number_of_a_stack_file_is_answered_with_how_to_write_it(text: str, why: str):
    values = with_defaults({key: value for key, value in load_config("local").items() if ":" not in key})
    values["load"] = {"profile": "laptop", "users": text}
    with pytest.raises(SettingsError) as refused:
        parse_settings(values)
    assert f"shapebench:load.users is '{text}', which is not a whole number; " in str(refused.value)
    assert why in str(refused.value)
    assert "nput should be" not in str(refused.value)
