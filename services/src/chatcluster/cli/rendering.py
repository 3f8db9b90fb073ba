"""Items and lists, as lines of text or of JSON.

Owns both forms; the JSON is the protocol's, with a `type` in each line (docs/cli.md). Pure. What others wrote cannot
move the cursor of whoever reads it: control characters are shown as escapes.
"""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from chatcluster.client.items import (
    Gap,
    Hint,
    Item,
    Message,
    Notice,
    NotRecovered,
    Position,
    Presence,
    Read,
    Reset,
    Typing,
    User,
)

_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}
"""They are of that category too, and part of words and of emoji."""
_TYPES: Mapping[type[Item], str] = {
    Message: "message",
    Gap: "gap",
    Reset: "reset",
    NotRecovered: "not_recovered",
    Presence: "presence",
    Typing: "typing",
    Read: "read",
}


def safe(text: str) -> str:
    """The text, on one line and without power over the terminal."""
    return "".join(each.encode("unicode_escape").decode() if _is_unsafe(each) else each for each in text)


def line(item: Item, zone: tzinfo | None = None) -> str:
    """An item for a person."""
    if isinstance(item, Message):
        when = datetime.fromtimestamp(item.time_ms / 1000, UTC).astimezone(zone)
        to = f" to {_name(item.recipient)}" if item.recipient else ""
        return f"{when:%H:%M:%S} {_name(item.sender)}{to}: {safe(item.text)}"
    return f"-- {_told(item)}"


def fields(item: Item) -> dict[str, Any]:
    """An item for a program."""
    return {"type": _TYPES[type(item)], "room": item.room, **_own_fields(item)}


def _told(item: Notice | Hint) -> str:
    match item:
        case Gap():
            text = f"messages {item.first} to {item.last} are gone"
        case Reset():
            text = f"the store lost what came after message {item.position.offset}"
        case NotRecovered():
            text = f"what was shown after message {item.position.offset} is void; from here on it is complete"
        case Presence():
            text = f"{item.count} here{_members(item)}"
        case Typing():
            text = f"{_name(item.user)} is typing{_where(item)}"
        case Read():
            text = f"{_name(item.user)} has read up to message {item.position.offset}{_where(item)}"
    return text


def _own_fields(item: Item) -> dict[str, Any]:
    match item:
        case Message():
            people = {"from": _person(item.sender)} | ({"to": _person(item.recipient)} if item.recipient else {})
            found = {**_place(item.position), "time_ms": item.time_ms, "id": item.id, **people, "text": item.text}
        case Gap():
            found = {"from": item.first, "to": item.last}
        case Reset() | NotRecovered():
            found = _place(item.position)
        case Presence():
            members = None if item.members is None else [_person(each) for each in item.members]
            found = {"count": item.count, "members": members}
        case Typing():
            found = {"user": _person(item.user), **_about(item)}
        case Read():
            found = {"user": _person(item.user), **_place(item.position), **_about(item)}
    return found


def json(content: Any) -> str:
    """One line of JSON."""
    return msgspec.json.encode(content).decode()


def _name(user: User | None) -> str:
    return safe(user.name) if user else "?"


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE and character not in _JOINERS


def _members(presence: Presence) -> str:
    return "" if presence.members is None else ": " + ", ".join(map(_name, presence.members))


def _where(hint: Typing | Read) -> str:
    return f" in {hint.conversation}" if hint.conversation else ""


def _about(hint: Typing | Read) -> dict[str, str]:
    return {"conversation": hint.conversation} if hint.conversation else {}


def _person(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name}


def _place(position: Position) -> dict[str, Any]:
    return {"epoch": position.epoch, "offset": position.offset}
