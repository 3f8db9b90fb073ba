"""History over HTTP: which part of a room a query asks for, and how what was found looks in JSON.

Owns the names of query parameters and JSON fields that the v1 routes read rooms by. Does not own paths or sessions (v1)
nor what is found (logic).
"""

import re
from typing import Any

import structlog
from google.protobuf.message import DecodeError
from starlette.datastructures import QueryParams

from chatcluster.core import errors
from chatcluster.v1 import logic_pb2, types_pb2

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 2**53 - 1
"""What every JSON reader can hold exactly."""
MAX_EPOCH_CHARACTERS = 64

_NUMBER = re.compile(r"[0-9]{1,16}")

_log = structlog.get_logger()


def asked(query: QueryParams, room: str) -> logic_pb2.RoomRead:
    """The part of a room that `epoch`, `since` and `limit` ask for. Raises `errors.Invalid`.

    Without a position the newest publications are meant, with a limit of 0 the position alone.
    """
    limit = _number(query.get("limit", str(DEFAULT_LIMIT)), "limit", MAX_LIMIT)
    epoch, since = query.get("epoch"), query.get("since")
    if (epoch is None) != (since is None):
        raise errors.Invalid("a position is both: epoch and since; without them the newest are read")
    if epoch is None or since is None:
        return logic_pb2.RoomRead(room=room, limit=limit)
    if len(epoch) > MAX_EPOCH_CHARACTERS:
        raise errors.Invalid(f"an epoch has at most {MAX_EPOCH_CHARACTERS} characters")
    position = types_pb2.Position(epoch=epoch, offset=_number(since, "since", MAX_OFFSET))
    return logic_pb2.RoomRead(room=room, limit=limit, since=position)


def _number(text: str, name: str, maximum: int) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not 0 <= number <= maximum:
        raise errors.Invalid(f"{name} is a whole number from 0 to {maximum}")
    return number


def shown(history: logic_pb2.RoomHistory) -> dict[str, Any]:
    """A room's history as clients get it."""
    return {
        "room": history.room,
        "epoch": history.position.epoch,
        "offset": history.position.offset,
        "recovered": history.recovered,
        "after": history.after,
        "publications": [_publication(publication) for publication in history.publications],
    }


def _publication(publication: types_pb2.Publication) -> dict[str, Any]:
    message = _message(publication)
    content = {
        "epoch": publication.epoch,
        "offset": publication.offset,
        "time_ms": publication.time_ms,
        "id": message.id,
        "from": person(message.from_user_id, message.from_user_name),
        "text": message.text,
    }
    if message.to_user_id:
        content["to"] = person(message.to_user_id, message.to_user_name)
    if publication.HasField("origin"):
        origin = publication.origin
        content["origin"] = {"room": origin.room, "epoch": origin.epoch, "offset": origin.offset}
    return content


def _message(publication: types_pb2.Publication) -> types_pb2.Message:
    """What a publication says; nothing at all when it cannot be decoded, so that its offset is no hole to a reader."""
    try:
        return types_pb2.Message.FromString(publication.body)
    except DecodeError:
        _log.error("publication_undecodable", epoch=publication.epoch, offset=publication.offset)
        return types_pb2.Message()


def person(number: int, name: str) -> dict[str, Any]:
    """A user as clients get it."""
    return {"id": number, "name": name}
