"""What is said in the rooms of v1's clients, and how it comes to their gateway."""

from typing import Any

import pytest

from chatcluster.v1 import connect_pb2, types_pb2 as pb
from support.gateway import Rig

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "tcp"])
ROOM = "room:lobby"


async def say(rig: Rig, *texts: str, room: str = ROOM) -> list[pb.Publication]:
    """Publish texts as somebody else, without dispatch."""
    for text in texts:
        await rig.world.post(room, text, f"id-of-{text}")
    return [entry.publication for entry in rig.world.dispatched(room) if entry.publication][-len(texts) :]


def dispatch(rig: Rig, *publications: pb.Publication) -> None:
    """Hand publications to the hub, as task would."""
    for publication in publications:
        shard = rig.hub.rooms[publication.room].shard if publication.room in rig.hub.rooms else 0  # type: ignore[index]
        epoch = publication.epoch.rpartition(".")[0]
        batch = connect_pb2.Batch(shard=shard, epoch=epoch, publications=[publication])
        rig.hub.deliver(batch, rig.world.clock())


def place(frame: dict[str, Any]) -> dict[str, Any]:
    """The position that a frame tells."""
    return {"epoch": frame["epoch"], "offset": frame["offset"]}
