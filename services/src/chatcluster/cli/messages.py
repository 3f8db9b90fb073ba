"""Sending, following and reading messages.

Owns what these commands do and print. Does not own how a line looks (rendering) nor options (app).
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatcluster.cli import rendering, targets
from chatcluster.cli.credentials import Profile
from chatcluster.client import Client, items
from chatcluster.client.events import Changed, Phase
from chatcluster.client.items import Item, Page, Position
from chatcluster.client.rest import Rest
from chatcluster.core import errors

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Following:
    """How a room is followed."""

    as_json: bool = False
    hints: bool = False
    history: int = 0
    """So many of the newest messages come first."""
    count: int = 0
    """End after so many items; 0: never."""
    gateways: Sequence[str] = ()
    """Instead of those that the api tells of."""


async def send(profile: Profile, to: str, text: str, *, as_json: bool, out: Print) -> None:
    """Send a message, and say where it stands."""
    async with Rest(profile.api, profile.token) as rest:
        receipt = await rest.send(targets.target(to, profile.user_id), text)
    if as_json:
        place = {"room": receipt.room, "epoch": receipt.position.epoch, "offset": receipt.position.offset}
        out(rendering.json({"type": "sent", **place, "time_ms": receipt.time_ms, "id": receipt.message_id}))
    else:
        out(f"sent: message {receipt.position.offset} of {receipt.room}")


async def listen(profile: Profile, name: str, following: Following, out: Print) -> None:
    """Print a room's messages as they come, until interrupted."""
    room_name = targets.room(name, profile.user_id)
    async with Rest(profile.api, profile.token) as rest:
        urls = list(following.gateways) or await rest.gateways()
        since = await _before(rest, room_name, following.history)
    if not urls:
        raise errors.Unavailable("the api tells of no gateway (CHATCLUSTER_API_WEBSOCKET_URL); give one: --gateway")
    async with Client.connect(urls, token=profile.token, on_change=_tell) as chat:
        room = await chat.join(room_name, since=since, hints=following.hints)
        left = following.count
        async for item in room:
            out(_line(item, as_json=following.as_json))
            left -= 1
            if left == 0:
                return


async def history(profile: Profile, name: str, limit: int, *, as_json: bool, out: Print) -> None:
    """Print a room's newest messages, the oldest first."""
    room = targets.room(name, profile.user_id)
    async with Rest(profile.api, profile.token) as rest:
        for message in await _newest(rest, room, limit):
            out(_line(message, as_json=as_json))


async def _newest(rest: Rest, room: str, limit: int) -> list[items.Message]:
    """The newest messages, page by page: a page ends at half a MiB."""
    page = await rest.history(room, limit)
    found = list(page.messages)
    while page.more and len(found) < limit:
        page = await rest.history(room, limit - len(found), found[0].position)
        found = [*page.messages, *found]
        if not page.messages:
            break
    return found


async def _before(rest: Rest, room: str, count: int) -> Position | None:
    """The position after which the newest `count` messages stand; None: the newest itself."""
    if not count:
        return None
    page: Page = await rest.history(room, count)
    if not page.messages:
        return None
    first = page.messages[0].position
    return Position(first.epoch, first.offset - 1) if first.offset > 1 else items.BEGINNING


def _line(item: Item, *, as_json: bool) -> str:
    return rendering.json(rendering.fields(item)) if as_json else rendering.line(item)


def _tell(change: Changed) -> None:
    """Say on stderr when the connection is lost, and when it is back."""
    if change.phase is Phase.AWAY:
        sys.stderr.write(f"-- {change.error}; connecting again in {change.wait:.1f} s\n")
    elif change.phase is Phase.OPEN:
        sys.stderr.write("-- connected\n")
    sys.stderr.flush()
