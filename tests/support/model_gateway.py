"""A gateway of the v1 protocol as a model: pure, in one step a frame, with faults to be asked for.

Owns rooms with epochs and offsets as docs/protocol.md and the log port promise them, one connection at a time, and
what a store or a gateway may do at its worst. Does not own wires nor time: what it says is in `said`, in order.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PAGE = 3
"""Publications of an answer: small, so that pages are many."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored publication."""

    epoch: str
    offset: int
    id: str
    text: str

    def frame(self) -> dict[str, Any]:
        """It, as the protocol shows it."""
        place = {"epoch": self.epoch, "offset": self.offset, "time_ms": 1, "id": self.id}
        return {**place, "from": {"id": 1, "name": "ada"}, "text": self.text}


@dataclass(slots=True)
class ModelRoom:
    """One room: the bases of its epochs, and the publications that it still holds."""

    name: str
    chain: list[tuple[str, int]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    newest: int = 0

    @property
    def epoch(self) -> str:
        """The current one."""
        return self.chain[-1][0] if self.chain else ""

    @property
    def first(self) -> int:
        """The lowest offset that it holds, or would hold next."""
        return self.entries[0].offset if self.entries else self.newest + 1

    def common(self, epoch: str, offset: int) -> tuple[int, bool]:
        """The last offset that a reader's past and its own have in common, and whether that is all of the reader's."""
        if not epoch:
            return 0, True
        if epoch == self.epoch:
            return min(offset, self.newest), offset <= self.newest
        is_known = any(each == epoch for each, _ in self.chain)
        base = next((base for each, base in self.chain if each > epoch), self.chain[-1][1])
        return (offset, True) if is_known and offset <= base else (base, False)


class ModelGateway:
    """All rooms, their store, and the gateway's end of one connection."""

    def __init__(self) -> None:
        self.rooms: dict[str, ModelRoom] = {}
        self.said: list[str] = []
        """Frames to the client, in order; whoever drives it takes them from the front."""
        self.trouble: list[str] = []
        """What the next sends end in: `busy`, `unknown` (stored all the same) or `lost` (unknown, and not stored)."""
        self._memory: dict[tuple[str, str], Entry] = {}
        self._heard: dict[str, int] = {}
        """The rooms of the connection, and the offset up to which each was served."""
        self._epochs = 0
        self._authenticated = False

    def room(self, name: str) -> ModelRoom:
        """A room, also one that was never used."""
        return self.rooms.setdefault(name, ModelRoom(name))

    # -- the connection

    def disconnect(self) -> None:
        """The connection is gone, with all that was on its way."""
        self._heard.clear()
        self.said.clear()
        self._authenticated = False

    def hear(self, text: str) -> None:
        """Take a request and answer it."""
        request = json.loads(text)
        assert self._authenticated or request["type"] == "auth", "auth is the first frame"
        answer = getattr(self, f"_{request['type']}")(request)
        self._say(type="error" if "code" in answer else "ok", id=request["id"], **answer)

    def _auth(self, request: dict[str, Any]) -> dict[str, Any]:
        assert not self._authenticated, "a second auth"
        self._authenticated = request["token"] == "good"
        user = {"user": {"id": 1, "name": "ada"}, "expires_ms": 9, "time_ms": 1, "ping_seconds": 54}
        return user if self._authenticated else {"code": "session", "detail": "unknown"}

    def _join(self, request: dict[str, Any]) -> dict[str, Any]:
        room, since = self.room(request["room"]), request.get("since")
        place = {"room": room.name, "epoch": room.epoch, "offset": room.newest}
        if since is None:
            self._heard[room.name] = room.newest
            return {**place, "recovered": True, "after": room.newest, "publications": [], "joined": True}
        reached, is_whole = room.common(since["epoch"], since["offset"])
        recovered, after = is_whole and reached >= room.first - 1, max(reached, room.first - 1)
        page = [each for each in room.entries if each.offset > after]
        is_whole = len(page) <= PAGE
        if is_whole:
            self._heard[room.name] = room.newest
        shown = [each.frame() for each in page[:PAGE]]
        return {**place, "recovered": recovered, "after": after, "publications": shown, "joined": is_whole}

    def _leave(self, request: dict[str, Any]) -> dict[str, Any]:
        self._heard.pop(request["room"], None)
        return {"room": request["room"]}

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "busy":
            return {"code": "busy", "detail": "full", "stored": "no", "retry_after": 0.5}
        if trouble == "lost":
            return {"code": "outcome_unknown", "detail": "?", "stored": "unknown", "retry_after": 0.5}
        entry, repeated = self.publish(request["room"], request["message_id"], request["text"])
        if trouble == "unknown":
            return {"code": "outcome_unknown", "detail": "?", "stored": "unknown", "retry_after": 0.5}
        place = {"room": request["room"], "epoch": entry.epoch, "offset": entry.offset, "time_ms": 1}
        return {**place, "message_id": entry.id, "repeated": repeated}

    def _ping(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"time_ms": 1}

    # -- the store

    def publish(self, name: str, message_id: str, text: str) -> tuple[Entry, bool]:
        """Store a message once, and show it to whoever hears the room."""
        if stored := self._memory.get((name, message_id)):
            return stored, True
        room = self.room(name)
        if not room.chain:
            self._begin(room, 0)
        room.newest += 1
        entry = self._memory[name, message_id] = Entry(room.epoch, room.newest, message_id, text)
        room.entries.append(entry)
        self._serve(room)
        return entry, False

    def forget_tail(self, name: str, count: int) -> None:
        """The store comes back without the last publications, in a new epoch; 0: nothing was lost."""
        room = self.room(name)
        if not room.chain:
            return
        kept = max(room.first - 1, room.newest - count)
        lost = [each for each in room.entries if each.offset > kept]
        self._memory = {key: each for key, each in self._memory.items() if key[0] != name or each not in lost}
        room.entries = [each for each in room.entries if each.offset <= kept]
        room.newest = kept
        room.chain = [(epoch, base) for epoch, base in room.chain if base <= kept]  # what came later is lost as well
        self._begin(room, kept)
        if self._heard.get(name, 0) > kept:
            self._heard[name] = kept
            self._say(type="reset", room=name, epoch=room.epoch, offset=kept)

    def trim(self, name: str, keep: int) -> None:
        """History holds only so many."""
        room = self.room(name)
        room.entries = room.entries[max(0, len(room.entries) - keep) :]

    # -- what a gateway may do

    def skip(self, name: str) -> None:
        """The gateway misses publications that then are gone from history: it tells so by `gap`."""
        served = self._heard.get(name)
        room = self.room(name)
        if served is None or not room.chain:
            return
        room.newest += 2
        room.entries = []
        self._heard[name] = room.newest
        self._say(type="gap", room=name, **{"from": served + 1, "to": room.newest})

    def repeat(self, name: str) -> None:
        """Push something that was pushed before."""
        if name in self._heard:
            for entry in self.room(name).entries[-2:]:
                self._say(type="publication", room=name, **entry.frame())

    def lose_push(self) -> None:
        """Lose a publication on the way: a fault of the gateway's that only the next one shows."""
        for place, text in enumerate(self.said):
            if json.loads(text)["type"] == "publication":
                del self.said[place]
                return

    def speak(self, **frame: Any) -> None:
        """Say anything."""
        self._say(**frame)

    def _begin(self, room: ModelRoom, base: int) -> None:
        self._epochs += 1
        room.chain.append((f"e{self._epochs:04}", base))

    def _serve(self, room: ModelRoom) -> None:
        if room.name in self._heard:
            for entry in self._unserved(room):
                self._say(type="publication", room=room.name, **entry.frame())
            self._heard[room.name] = room.newest

    def _unserved(self, room: ModelRoom) -> Iterator[Entry]:
        return (each for each in room.entries if each.offset > self._heard[room.name])

    def _say(self, **frame: Any) -> None:
        self.said.append(json.dumps(frame))
