"""Rooms and people, as they are written on the command line.

Owns that notation: `7` and `room:7` are a room, `@42` and `user:42` a person, `inbox` one's own private messages, and
`dm:3:42` a conversation. Does not own what a room's name may hold (core.ids). Pure.
"""

import re
from typing import Any

from chatcluster.core import errors, ids

INBOX = "inbox"
_PERSON = re.compile(r"(?:@|user:)([0-9]{1,10})")


def room(text: str, user: int) -> str:
    """The full name of a room that is to be read by that user. Raises `errors.Invalid` or `Forbidden`."""
    if text == INBOX:
        return ids.inbox(ids.UserId(user))
    name = text if ":" in text else f"room:{text}"
    ids.check_reader(name, ids.UserId(user))
    return name


def target(text: str, user: int) -> dict[str, Any]:
    """Where a message is to go: a person or a room. Raises `errors.Invalid`."""
    if found := _PERSON.fullmatch(text):
        return {"user": int(found[1])}
    if text == INBOX:
        raise errors.Invalid("a message goes to a room (room:7) or to a person (@42), not to an inbox")
    return {"room": room(text, user)}
