import json
from typing import NamedTuple

import pytest
from hypothesis import example, given, strategies as st

from chatcluster.api import binding
from chatcluster.api.binding import Field, Form
from chatcluster.core import errors


class Values(NamedTuple):
    text: str
    number: int


FORM = Form("FormTest", Values, Field("userMsg", "UserMsg", "string"), Field("roomId", "RoomId", "int"))


def bound(text: str) -> Values | str:
    """What a body gives, or the complaint about it."""
    try:
        return FORM.bind(binding.parse(text))
    except errors.Invalid as exc:
        return str(exc)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"userMsg":"m","roomId":3}', ("m", 3)),
        ('\r\n\t {"roomId" : 3 , "userMsg" : "m"}', ("m", 3)),
        ('{"USERMSG":"m","roomid":3}', ("m", 3)),
        ('{"u\\u017ferMsg":"m","roomId":3}', ("m", 3)),  # the long s folds to s, as it does for Go
        ('{"userMsg":"m","roomId":3,"other":[{"userMsg":"deep"}]}', ("m", 3)),
        ('{"userMsg":"m","roomId":3}{"userMsg":"n"}', ("m", 3)),
        ('{"userMsg":"m","roomId":3} rubbish', ("m", 3)),
        ('{"userMsg":"a","USERMSG":"b","roomId":1,"roomId":2}', ("b", 2)),  # the last one counts, whatever its case
        ('{"userMsg":"a","roomId":3,"userMsg":null,"roomId":null}', ("a", 3)),  # null changes nothing
        ('{"userMsg":"\\ud800x\\ud83d\\ude00","roomId":-3}', ("\ufffdx😀", -3)),
        ('{"userMsg":"m\\u0000","roomId":9223372036854775807}', ("m\x00", 2**63 - 1)),
    ],
)
def test_a_body_is_read_as_go_reads_it(text: str, values: tuple[str, int]) -> None:
    """What Go 1.26 decodes from the same body into the same struct."""
    assert bound(text) == values


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "EOF"),
        (" \n", "EOF"),
        ("not json", "invalid character 'o' in literal null (expecting 'u')"),
        ("truth", "invalid character 't' in literal true (expecting 'e')"),
        ("fals", "unexpected EOF"),
        ("hello", "invalid character 'h' looking for beginning of value"),
        ("'", r"invalid character '\'' looking for beginning of value"),
        ("\\", r"invalid character '\\' looking for beginning of value"),
        ("\x00", r"invalid character '\x00' looking for beginning of value"),
        ("\x7f", r"invalid character '\x7f' looking for beginning of value"),
        ("\v", r"invalid character '\v' looking for beginning of value"),
        ("é", "invalid character 'Ã' looking for beginning of value"),  # Go sees bytes
        ("\ufeff{}", "invalid character 'ï' looking for beginning of value"),
        ('{"userMsg":"m"', "unexpected EOF"),
        ('{"userMsg":"m', "unexpected EOF"),
        ('{"userMsg":', "unexpected EOF"),
        ('{"userMsg":nul,"a":1}', "invalid character ',' in literal null (expecting 'l')"),
        ('{"userMsg":}', "invalid character '}' looking for beginning of value"),
    ],
)
def test_no_json_is_refused_in_go_s_words(text: str, complaint: str) -> None:
    """Empty and cut bodies, and characters that begin no value."""
    assert bound(text) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"userMsg" "m"}', "the request body is not JSON: expecting ':' delimiter at character 11"),
        ('{"roomId":NaN}', "the request body is not JSON: NaN is not JSON"),
        ('{"roomId":-Infinity}', "the request body is not JSON: -Infinity is not JSON"),
        ('{"userMsg":"a\tb"}', "the request body is not JSON: invalid control character at character 13"),
        ("[" * 50_000, "the request body is nested too deeply"),
        ('{"a":' * 50_000, "the request body is nested too deeply"),
    ],
)
def test_other_bodies_that_are_no_json_are_refused_in_our_own_words(text: str, complaint: str) -> None:
    """A clear text, and nothing else happens."""
    assert bound(text) == complaint


@pytest.mark.parametrize(
    ("document", "kind"), [("[]", "array"), ('"a"', "string"), ("1.5", "number"), ("true", "bool"), ("-0", "number")]
)
def test_a_body_that_is_no_object_is_refused_in_go_s_words(document: str, kind: str) -> None:
    """Go names the type that it should have become."""
    assert bound(document) == f"json: cannot unmarshal {kind} into Go value of type handler.FormTest"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1", "number"),
        ("1.5", "number"),
        ("true", "bool"),
        ("false", "bool"),
        ("[]", "array"),
        ("{}", "object"),
    ],
)
def test_a_wrong_type_for_a_string_is_refused_in_go_s_words(value: str, kind: str) -> None:
    """The struct's and the field's names are those of gochat."""
    text = f'{{"userMsg":{value},"roomId":3}}'
    assert bound(text) == f"json: cannot unmarshal {kind} into Go struct field FormTest.userMsg of type string"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ('"3"', "string"),
        ("1.5", "number 1.5"),
        ("1.0", "number 1.0"),
        ("1e3", "number 1e3"),
        ("9223372036854775808", "number 9223372036854775808"),
        ("-9223372036854775809", "number -9223372036854775809"),
        ("1" * 5000, "number " + "1" * 5000),
        ("true", "bool"),
        ("[]", "array"),
        ("{}", "object"),
    ],
)
def test_a_wrong_type_for_an_int_is_refused_in_go_s_words(value: str, kind: str) -> None:
    """A number that does not fit is told as it was written."""
    text = f'{{"userMsg":"m","roomId":{value}}}'
    assert bound(text) == f"json: cannot unmarshal {kind} into Go struct field FormTest.roomId of type int"


def test_the_first_wrong_type_is_told() -> None:
    """Go goes on reading and tells the first one of the body, even if a later key would have healed it."""
    text = '{"roomId":"3","userMsg":1,"roomId":3,"userMsg":"m"}'
    assert bound(text) == "json: cannot unmarshal string into Go struct field FormTest.roomId of type int"


@pytest.mark.parametrize("document", ["{}", "null", '{"userMsg":"","roomId":0}', '{"userMsg":null,"roomId":-0}'])
def test_all_that_is_missing_is_told_in_the_struct_s_order(document: str) -> None:
    """An empty string and 0 count as missing; the complaints are joined by newlines."""
    assert bound(document) == (
        "Key: 'FormTest.UserMsg' Error:Field validation for 'UserMsg' failed on the 'required' tag\n"
        "Key: 'FormTest.RoomId' Error:Field validation for 'RoomId' failed on the 'required' tag"
    )


@given(st.text() | st.from_regex(r'\{("(userMsg|ROOMID|x)":("a"|1|null|\[\]|\{\}|"\\ud800"),?)*\}?', fullmatch=True))
@example("\ud800")
@example('{"userMsg":"\ud800"}')
def test_any_text_raises_nothing_but_invalid(text: str) -> None:
    """Whatever a body holds, it is bound or refused."""
    bound(text)


@given(
    st.dictionaries(
        st.text(), st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    ),
    st.text(),
)
def test_what_follows_and_what_is_unknown_changes_nothing(unknown: dict[str, object], rest: str) -> None:
    """A form is bound from its own keys alone."""
    known = {"userMsg": "m", "roomId": 3}
    mine = {key.lower().replace("\u017f", "s") for key in unknown} & {"usermsg", "roomid"}
    if not mine:
        assert bound(json.dumps(unknown | known) + rest) == ("m", 3)


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])), st.integers(1, 2**63 - 1))
def test_values_come_through_unchanged(text: str, number: int) -> None:
    """Any text and any number that Go could hold, escaped or not."""
    document = {"userMsg": text, "roomId": number}
    assert bound(json.dumps(document)) == (text, number)
    assert bound(json.dumps(document, ensure_ascii=False)) == (text, number)
