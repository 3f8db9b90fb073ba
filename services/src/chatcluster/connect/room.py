"""One room as a gateway has it: who listens, how far they have been served, and what is waiting for a gap to close.

Owns the order: what leaves `ready` has rising offsets without a hole, or a `Gap` or `Reset` that says so. Does not own
when history is asked for (hub) nor how anything looks on a wire (codecs). Pure.
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from chatcluster.connect.chain import Proof
from chatcluster.core.ids import RoomName, ShardId
from chatcluster.v1 import logic_pb2, types_pb2 as pb

HELD = 256
"""Publications that wait for a gap or a join, per room; more are left to history. As many are kept of those that were
served while a connection reads on its way into the room."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that history has answered to be gone."""

    room: RoomName
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Redis came back with less: what listeners had after this position may never have happened."""

    room: RoomName
    position: pb.Position


Item = pb.Publication | pb.Ephemeral | Gap | Reset


class Codec(Protocol):
    """How items look to the connections of one protocol."""

    protocol: str
    """Its name in metrics."""

    def encode(self, item: Item) -> bytes:
        """All bytes on the wire, the same for every connection; empty when this protocol does not show such an item."""
        ...


class Listener(Protocol):
    """A connection, as far as a room is concerned."""

    @property
    def codec(self) -> Codec:
        """How it is spoken to."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes. Never raises, never waits, and never calls the hub before it returns."""
        ...


class Room:
    """A room that has at least one listener here."""

    __slots__ = (
        "asking", "asks", "behind", "check", "due", "entering", "epoch", "held", "joined", "keepers", "listeners",
        "name", "offset", "proof", "ready", "reason", "recent", "shard", "unheld",
    )  # fmt: skip

    def __init__(self, name: RoomName, shard: ShardId) -> None:
        self.name = name
        self.shard = shard
        self.listeners: dict[Codec, dict[Listener, None]] = {}
        self.keepers: dict[Listener, None] = {}
        """Connections for which it is here although they do not hear it."""
        self.entering: dict[Listener, None] = {}
        """Those of them that are reading their way in."""
        self.recent: deque[pb.Publication] = deque(maxlen=HELD)
        """What was served last, while somebody is entering."""
        self.joined = False
        self.epoch = ""
        self.offset = 0
        self.proof: Proof | None = None
        self.behind = False
        """History is known to hold more than was served."""
        self.held: dict[int, pb.Publication] = {}
        self.unheld = ("", 0)
        """Epoch and offset of the newest publication that came and could not be held."""
        self.ready: list[Item] = []
        self.asking = 0
        """The number of the registration in flight; 0: none."""
        self.asks = 0
        """Registrations in a row that failed."""
        self.due = float("inf")
        """When it is to be asked for, and why."""
        self.reason = ""
        self.check = float("inf")
        """When it is to be asked for whatever happens until then."""

    @property
    def position(self) -> pb.Position | None:
        """Where its listeners stand; None before the join is answered."""
        return pb.Position(epoch=self.epoch, offset=self.offset) if self.joined else None

    @property
    def is_wanted(self) -> bool:
        """Whether any connection needs it."""
        return bool(self.listeners or self.keepers)

    @property
    def needs_history(self) -> bool:
        """Whether only history can tell what comes next."""
        return not self.joined or self.behind or bool(self.held)

    def offer(self, publication: pb.Publication) -> None:
        """Take a publication from dispatch: serve it, hold it for a gap to close, or drop what was had before."""
        if self.joined and publication.epoch == self.epoch:
            if publication.offset == self.offset + 1:
                self._serve(publication)
                self._serve_held()
            elif publication.offset > self.offset:
                self._hold(publication)
        elif not self.joined:
            self._hold(publication)
        elif publication.epoch > self.epoch:
            self.behind = True

    def served_since(self, position: pb.Position) -> list[pb.Publication] | None:
        """What was served after a position; None when that is not known: read history again.

        A position that this room has not come to yet is fine: what is between will be served.
        """
        if not self.joined or position.epoch != self.epoch:
            return None
        missing = self.offset - position.offset
        if missing <= 0:
            return []
        served = list(self.recent)[-missing:]
        # Offsets rise, so no hole is among them if their number and the first are right.
        return served if len(served) == missing and served[0].offset == position.offset + 1 else None

    def catch_up(self, asked: pb.Position | None, history: logic_pb2.RoomHistory) -> bool:
        """Go on with what history answered to a question asked at `asked`.

        False, and nothing is served, when listeners were served meanwhile in an epoch that has since ended: what they
        were served may not be in history, so the question has to be asked anew from where they stand now.
        """
        epoch = history.position.epoch
        if not self.joined:
            self.joined, self.epoch, self.offset = True, epoch, history.position.offset
        elif epoch != self.epoch and asked is not None and self.offset != asked.offset:
            self.behind = True
            return False
        else:
            self._go_on(history)
        self.held = {o: p for o, p in self.held.items() if p.epoch == self.epoch and o > self.offset}
        self._serve_held()
        epoch, offset = self.unheld
        self.behind = self.offset < max(history.position.offset, offset if epoch == self.epoch else 0)
        return True

    def _go_on(self, history: logic_pb2.RoomHistory) -> None:
        epoch = history.position.epoch
        if not history.recovered:
            self._skip(epoch, history.after)
        self.epoch = epoch
        for publication in history.publications:
            if publication.offset == self.offset + 1:
                self._serve(publication)

    def _skip(self, epoch: str, after: int) -> None:
        if epoch != self.epoch:
            self.ready.append(Reset(self.name, pb.Position(epoch=epoch, offset=after)))
            self.offset = after
        elif after > self.offset:
            self.ready.append(Gap(self.name, self.offset + 1, after))
            self.offset = after

    def _serve(self, publication: pb.Publication) -> None:
        self.offset = publication.offset
        self.ready.append(publication)
        if self.entering:
            self.recent.append(publication)

    def _serve_held(self) -> None:
        if not (self.joined and self.held):
            return
        while publication := self.held.pop(self.offset + 1, None):
            self._serve(publication)

    def _hold(self, publication: pb.Publication) -> None:
        twin = self.held.get(publication.offset)
        if twin is None and len(self.held) >= HELD:
            self.behind = True
            self.unheld = max(self.unheld, (publication.epoch, publication.offset))
        elif twin is None or twin.epoch < publication.epoch:
            self.held[publication.offset] = publication
