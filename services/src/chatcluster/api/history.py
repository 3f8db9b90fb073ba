"""History over HTTP: which part of a room a query asks for, and how what was found looks in JSON.

Owns the names of query parameters and JSON fields that the v1 routes read rooms by. Does not own paths or sessions (v1)
nor what is found (logic).
"""

import re

import structlog
from google.protobuf.message import DecodeError
from starlette.datastructures import QueryParams

from chatcluster.api import shapes
from chatcluster.api.operations import Parameter
from chatcluster.core import errors
from chatcluster.frames import parts
from chatcluster.v1 import logic_pb2, types_pb2

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

_OFFSET = {"type": "integer", "minimum": 0, "maximum": parts.MAX_EXACT}
PARAMETERS = (
    Parameter("epoch", "query", {"type": "string", "maxLength": parts.MAX_EPOCH_CHARACTERS}, "With since or before."),
    Parameter("since", "query", _OFFSET, "Read on after this offset of the epoch."),
    Parameter("before", "query", _OFFSET, "Read back from this offset of the epoch. Not together with since."),
    Parameter(
        "limit",
        "query",
        {"type": "integer", "minimum": 0, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "0 asks where the room stands.",
    ),
)

_NUMBER = re.compile(r"[0-9]{1,16}")

_log = structlog.get_logger()


def asked(query: QueryParams, room: str) -> logic_pb2.RoomRead:
    """The part of a room that `epoch`, `since` or `before`, and `limit` ask for. Raises `errors.Invalid`.

    Without a position the newest publications are meant, with a limit of 0 the position alone.
    """
    read = logic_pb2.RoomRead(room=room, limit=_number(query.get("limit", str(DEFAULT_LIMIT)), "limit", MAX_LIMIT))
    epoch, given = query.get("epoch"), [name for name in ("since", "before") if name in query]
    if len(given) != (epoch is not None):
        raise errors.Invalid("a position is epoch and either since or before; without one the newest are read")
    if epoch is not None:
        if len(epoch) > parts.MAX_EPOCH_CHARACTERS:
            raise errors.Invalid(f"an epoch has at most {parts.MAX_EPOCH_CHARACTERS} characters")
        offset = _number(query[given[0]], given[0], parts.MAX_EXACT)
        position = read.since if given == ["since"] else read.before
        position.CopyFrom(types_pb2.Position(epoch=epoch, offset=offset))
    return read


def _number(text: str, name: str, maximum: int) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not 0 <= number <= maximum:
        raise errors.Invalid(f"{name} is a whole number from 0 to {maximum}")
    return number


def shown(history: logic_pb2.RoomHistory) -> shapes.History:
    """A room's history as clients get it."""
    return shapes.History(
        room=history.room,
        epoch=history.position.epoch,
        offset=history.position.offset,
        recovered=history.recovered,
        after=history.after,
        more=history.more,
        publications=[publication(found) for found in history.publications],
    )


def publication(found: types_pb2.Publication) -> parts.Publication:
    """A publication as clients get it."""
    return parts.publication(found, _message(found))


def _message(publication: types_pb2.Publication) -> types_pb2.Message:
    """What a publication says; nothing at all when it cannot be decoded, so that its offset is no hole to a reader."""
    try:
        return types_pb2.Message.FromString(publication.body)
    except DecodeError:
        _log.error("publication_undecodable", epoch=publication.epoch, offset=publication.offset)
        return types_pb2.Message()
