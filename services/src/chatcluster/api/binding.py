"""JSON bodies bound to forms as gin binds them to gochat's structs.

Owns what gochat's clients may rely on without knowing it: keys in any case, unknown keys and whatever follows the first
value ignored, null as if absent, "required" as "not empty and not 0", and the words in which Go complains. Does not own
the forms themselves (forms). Pure.

Go's words are exact for empty and cut bodies, characters that begin no value, wrong types and missing fields; other
bodies that are no JSON are refused in our own. Where Go puts U+FFFD for a lone surrogate, so does this.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, NoReturn, TypeVar

from chatcluster.core import errors

Document = Any
"""A parsed body, to be bound as often as needed. Made by `parse` only."""

_F = TypeVar("_F")

_SPACE = re.compile(r"[ \t\r\n]*")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_INT64 = range(-(2**63), 2**63)
_LITERALS = {"n": "null", "t": "true", "f": "false"}
_SPACE_BYTE = 0x20
_QUOTED = {7: r"\a", 8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 39: r"\'", 92: r"\\", 127: r"\x7f"}
_VALUE_STARTS = frozenset('{["-0123456789')


class _Object(list[tuple[str, Any]]):
    """An object as its pairs: Go looks at every one of them, repeated keys included."""


class _Number(str):
    """A number as it was written, as Go's complaints show it."""

    __slots__ = ()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
)


def parse(text: str) -> Document:
    """Read the first JSON value of a body. Raises `errors.Invalid` and nothing else, for any text."""
    start = _SPACE.match(text).end()  # type: ignore[union-attr]  # it matches the empty text
    if start == len(text):
        raise errors.Invalid("EOF")
    try:
        return _decoder.raw_decode(text, start)[0]
    except ValueError as exc:
        raise errors.Invalid(_complaint(exc, text, start)) from exc
    except RecursionError as exc:
        raise errors.Invalid("the request body is nested too deeply") from exc


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a Go struct."""

    key: str
    """Its JSON tag."""
    name: str
    """Its name in Go."""
    type: Literal["string", "int"]


class Form(Generic[_F]):
    """A Go struct of package handler, all of whose fields are required."""

    def __init__(self, name: str, make: Callable[..., _F], *fields: Field) -> None:
        """`make` is called with the values in the order of `fields`."""
        self._name = name
        self._make = make
        self._fields = fields
        self._places = {f.key.lower(): n for n, f in enumerate(fields)} | {f.key: n for n, f in enumerate(fields)}

    def bind(self, document: Document) -> _F:
        """The form's values. Raises `errors.Invalid` in Go's words: the first wrong type, or all that is missing."""
        values = [0 if field.type == "int" else "" for field in self._fields]
        complaint = self._fill(values, document)
        if complaint is None:
            complaint = "\n".join(
                self._missing(field) for field, value in zip(self._fields, values, strict=True) if not value
            )
        if complaint:
            raise errors.Invalid(complaint)
        return self._make(*values)

    def _fill(self, values: list[str | int], document: Document) -> str | None:
        """Set what the document holds, the last of each key; the first complaint, if there is one."""
        if document is None:
            return None
        if not isinstance(document, _Object):
            return f"json: cannot unmarshal {_kind(document)} into Go value of type handler.{self._name}"
        complaint = None
        for key, value in document:
            place = self._place(key)
            if place is None or value is None:
                continue
            field = self._fields[place]
            converted = _to_int(value) if field.type == "int" else _to_string(value)
            if converted is not None:
                values[place] = converted
            elif complaint is None:
                complaint = self._mismatch(field, value)
        return complaint

    def _place(self, key: str) -> int | None:
        place = self._places.get(key)
        # Go folds by single characters; besides upper case only the long s (and the Kelvin sign) become ASCII so.
        return self._places.get(key.lower().replace("\u017f", "s")) if place is None else place

    def _mismatch(self, field: Field, value: Any) -> str:
        shown = f"number {value}" if field.type == "int" and isinstance(value, _Number) else _kind(value)
        return f"json: cannot unmarshal {shown} into Go struct field {self._name}.{field.key} of type {field.type}"

    def _missing(self, field: Field) -> str:
        tag = "failed on the 'required' tag"
        return f"Key: '{self._name}.{field.name}' Error:Field validation for '{field.name}' {tag}"


def _to_string(value: Any) -> str | None:
    return _LONE_SURROGATE.sub("\ufffd", value) if type(value) is str else None


def _to_int(value: Any) -> int | None:
    if isinstance(value, _Number) and _INTEGER.fullmatch(value):
        number = int(value)
        return number if number in _INT64 else None
    return None


def _kind(value: Any) -> str:
    """What Go calls it."""
    if isinstance(value, _Number):
        return "number"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, _Object) else "array"


def _complaint(error: ValueError, text: str, start: int) -> str:
    """What is wrong with a text that is no JSON: in Go's words where a value does not begin as one."""
    if not isinstance(error, json.JSONDecodeError):
        return f"the request body is not JSON: {error}"
    if error.pos >= len(text) or error.msg.startswith("Unterminated string"):
        return "unexpected EOF"
    wrong_start = _wrong_start(text[error.pos :]) if error.pos == start or error.msg == "Expecting value" else None
    problem = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
    return wrong_start or f"the request body is not JSON: {problem} at character {error.pos}"


def _wrong_start(text: str) -> str | None:
    """Go's complaint about the first characters of a value, if they begin none."""
    literal = _LITERALS.get(text[0])
    if literal is None:
        wrong = text[0] not in _VALUE_STARTS
        return f"invalid character {_quoted(text[0])} looking for beginning of value" if wrong else None
    for expected, found in zip(literal, text, strict=False):
        if found != expected:
            return f"invalid character {_quoted(found)} in literal {literal} (expecting '{expected}')"
    return "unexpected EOF"


def _quoted(character: str) -> str:
    """As Go quotes it, who sees the first byte of its UTF-8 only."""
    byte = character.encode("utf-8", "replace")[0]
    return "'" + (_QUOTED.get(byte) or (f"\\x{byte:02x}" if byte < _SPACE_BYTE else chr(byte))) + "'"
