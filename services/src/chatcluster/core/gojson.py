"""JSON as Go's encoding/json writes it, byte for byte.

Owns the differences to Python's own encoder: no spaces, UTF-8 as it is, and `<`, `>`, `&`, U+2028 and U+2029 escaped.
Does not own any shape: callers give their keys in Go's order (of a struct's fields; sorted, for a map). It lives in
core because gochat's clients see it from both sides: in REST answers and in the frames of gateways.
"""

import re
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode

_SPECIAL = re.compile(rb"[<>&]|\xe2\x80[\xa8\xa9]")
_ESCAPES = {
    b"<": rb"\u003c",
    b">": rb"\u003e",
    b"&": rb"\u0026",
    "\u2028".encode(): rb"\u2028",
    "\u2029".encode(): rb"\u2029",
}


def encode(value: Any) -> bytes:
    """The JSON text of dicts, lists, strings, ints, bools and None.

    Raises UnicodeEncodeError for a lone surrogate, which no Go string can hold, and nothing that was UTF-8 or protobuf.
    """
    # All special characters can stand inside strings only, so the whole text may be searched at once.
    return _SPECIAL.sub(_escape, _encode(value))


def _escape(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found[0]]
