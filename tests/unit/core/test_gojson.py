import json

import pytest
from hypothesis import given, strategies as st

from chatcluster.core import gojson

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<b>&", r'"\u003cb\u003e\u0026"'),
        ("\u2028\u2029", r'"\u2028\u2029"'),
        ("\b\f\n\r\t\x00\x1f\x7f", '"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"'),
        ('"\\/', r'"\"\\/"'),
        ("你好 😀", '"你好 😀"'),
        ({"code": 0, "data": None, "message": "ok"}, '{"code":0,"data":null,"message":"ok"}'),
        ([True, -1, {}], "[true,-1,{}]"),
    ],
)
def test_it_writes_what_go_writes(value: object, text: str) -> None:
    """Escapes, spaces and the order of keys are those that Go 1.26 printed for the same values."""
    assert gojson.encode(value) == text.encode()


@given(JSON)
def test_what_was_written_reads_back(value: object) -> None:
    """Any value comes back from its text."""
    assert json.loads(gojson.encode(value)) == value


@given(st.text())
def test_no_text_can_end_a_script_element(text: str) -> None:
    """Whatever is said, no character that HTML or old JavaScript takes for its own is left."""
    assert not set(gojson.encode(text).decode()) & set("<>&\u2028\u2029")


def test_a_lone_surrogate_is_refused() -> None:
    """It would be no UTF-8, and comes out of nothing that was."""
    with pytest.raises(UnicodeEncodeError):
        gojson.encode("\ud800")
