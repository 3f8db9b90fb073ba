"""Which rooms there are for somebody, and who is in them.

Owns what these commands print. Does not own options (app).
"""

from chatcluster.cli import rendering, targets
from chatcluster.cli.credentials import Profile
from chatcluster.cli.messages import Print
from chatcluster.client.rest import Rest


async def rooms(profile: Profile, *, as_json: bool, out: Print) -> None:
    """Print the rooms that the user keeps, and the private conversations."""
    async with Rest(profile.api, profile.token) as rest:
        kept, conversations = await rest.rooms(), await rest.conversations()
    for room in kept:
        found = {"type": "room", "room": room.room, "offset": room.offset, "unread": room.unread}
        out(rendering.json(found) if as_json else f"{room.room}  {_unread(room.unread)}")
    for each in conversations:
        with_user = {"id": each.user.id, "name": each.user.name}
        found = {
            "type": "conversation",
            "room": each.room,
            "user": with_user,
            "offset": each.offset,
            "unread": each.unread,
        }
        name = rendering.safe(each.user.name)
        out(rendering.json(found) if as_json else f"{each.room}  with {name} (@{each.user.id})  {_unread(each.unread)}")
    if not (kept or conversations or as_json):
        out("no rooms yet: chatcluster send room:lobby Hello, and chatcluster rooms --keep room:lobby")


async def keep(profile: Profile, name: str, *, out: Print) -> None:
    """Put a room on the user's list."""
    room = targets.room(name, profile.user_id)
    async with Rest(profile.api, profile.token) as rest:
        await rest.keep(room)
    out(f"kept: {room}")


async def who(profile: Profile, name: str, *, as_json: bool, out: Print) -> None:
    """Print who is in a room now."""
    async with Rest(profile.api, profile.token) as rest:
        presence = await rest.members(targets.room(name, profile.user_id))
    if as_json:
        out(rendering.json(rendering.fields(presence)))
        return
    for member in presence.members or ():
        out(f"{rendering.safe(member.name)} (@{member.id})")
    out(f"{presence.count} in {presence.room}")


def _unread(count: int) -> str:
    return f"{count} unread" if count else "nothing new"
