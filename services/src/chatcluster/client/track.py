"""One room: where the application stands in it, and what it is shown next.

Owns the client's half of the promise: each publication once, in order, and never a hole that nobody tells of, whatever
a gateway sends. What does not follow from the position is not shown; instead the room is `behind` and has to be joined
again from there. Does not own requests nor time (protocol). Pure.

Bound: at most `bound` items wait to be taken. At the bound messages and notices are not taken from the connection, so
the room is behind and reads on once half of them are taken; hints are dropped.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from chatcluster.client import answers, frames
from chatcluster.client.items import (
    BEGINNING,
    Gap,
    Item,
    Message,
    Notice,
    NotRecovered,
    Position,
    Presence,
    Read,
    Reset,
    Typing,
)
from chatcluster.core import errors

BOUND = 1000
"""Items of a room that wait for the application."""
_EPOCHS = 16
"""How many epochs are remembered by the highest offset shown in each; a room's own chain has eight."""

RoomPush = (
    frames.Publication | frames.PresencePush | frames.TypingPush | frames.ReadPush | frames.GapPush | frames.ResetPush
)


class Track:
    """A room that the application has joined."""

    def __init__(self, name: str, since: Position | None = None, *, hints: bool = False, bound: int = BOUND) -> None:
        self.name = name
        self.position = since
        """Of the last publication that was queued, or where the room was joined; None before that is known."""
        self.joined_at = since or BEGINNING
        """Where it was joined first."""
        self.joined = False
        """It is heard on this connection, without a part that is still to be asked for."""
        self.behind = False
        """Something is missing that only a join can tell; what comes by push is not looked at until then."""
        self.stalls = 0
        """Joins in a row that brought nothing, though something is missing."""
        self.error: errors.ChatError | None = None
        """Why it is over; told after the last item."""
        self.asking = False
        """A join waits for its answer."""
        self.holes = 0
        """How often something did not follow from the position, with no notice of it: a fault of the server's."""
        self._hints = hints
        self._bound = bound
        self._queue: deque[Item] = deque()
        self._shown: OrderedDict[str, int] = OrderedDict()
        self._doubts = 0
        self._asked_at = 0

    # -- the application's side

    def take(self) -> Item | None:
        """The next item, if there is one."""
        return self._queue.popleft() if self._queue else None

    @property
    def waiting(self) -> int:
        """How many items wait to be taken."""
        return len(self._queue)

    @property
    def wants_join(self) -> bool:
        """Whether it should be joined, as far as it is up to the room; not while too much waits to be taken."""
        is_missing = not self.joined or self.behind
        return is_missing and not self.asking and not self.error and len(self._queue) <= self._bound // 2

    # -- the connection's side

    def ask(self) -> Mapping[str, Any]:
        """What a join asks for that is sent now."""
        self._asked_at = self._doubts
        since = self.position and {"epoch": self.position.epoch, "offset": self.position.offset}
        return {"room": self.name, "since": since}

    def disconnected(self) -> None:
        """Nothing is heard any more."""
        self.joined = False

    def answered(self, answer: answers.JoinAnswer) -> None:
        """Go on with what a join brought. What it does not know of, having been sent before, is still missing."""
        before = self.position
        self.joined = answer.joined
        self.behind = self._asked_at != self._doubts
        if self.position is None:
            self.position = self.joined_at = Position(answer.epoch, answer.offset)
        elif not answer.recovered:
            self._skip(self.position, answer)
        for publication in answer.publications:
            self._publication(publication)
        if self.joined and not self.behind:
            self._adopt(answer)
        is_whole = self.joined and not self.behind
        self.stalls = 0 if is_whole or self.position != before else self.stalls + 1

    def pushed(self, push: RoomPush) -> None:
        """Take what came by itself."""
        match push:
            case frames.Publication():
                self._publication(push)
            case frames.GapPush():
                self._gap(push)
            case frames.ResetPush():
                self._reset(push)
            case _:
                self._hint(push)

    # -- positions

    def _publication(self, publication: frames.Publication) -> None:
        if self.behind or self.position is None:
            return
        epoch, offset = self.position
        if publication.offset <= offset and publication.epoch <= epoch:
            return
        if publication.offset != offset + 1 or publication.epoch < epoch:
            self.holes += 1
            self._doubt()
            return
        if publication.offset <= self._shown.get(publication.epoch, 0):
            self.position = Position(publication.epoch, publication.offset)
            return
        self._show(publication.message(self.name), Position(publication.epoch, publication.offset))

    def _gap(self, gap: frames.GapPush) -> None:
        if self.behind or self.position is None or gap.last <= self.position.offset:
            return
        first = self.position.offset + 1
        if gap.first > first:
            self.holes += 1
            self._doubt()
            return
        self._show(Gap(self.name, first, gap.last), Position(self.position.epoch, gap.last))

    def _reset(self, reset: frames.ResetPush) -> None:
        if self.position is None:
            return
        if not self.behind and reset.offset < self.position.offset:
            self._show(Reset(self.name, Position(reset.epoch, reset.offset)), self.position)
        self._doubt()

    def _skip(self, at: Position, answer: answers.JoinAnswer) -> None:
        """Recovered is false: go to where the answer is complete from, unless pushes have led beyond it meanwhile."""
        if answer.epoch == at.epoch and answer.after <= at.offset <= answer.offset:
            return
        # What is left may have been said in an earlier epoch than the current one.
        epoch = answer.publications[0].epoch if answer.publications else answer.epoch
        position = Position(epoch, answer.after)
        self._show(NotRecovered(self.name, position), position)

    def _adopt(self, answer: answers.JoinAnswer) -> None:
        """An epoch that began without a loss is the current one now: the room remembers only its last few."""
        if self.position and self.position.offset == answer.offset and self.position.epoch < answer.epoch:
            self.position = Position(answer.epoch, answer.offset)

    def _show(self, item: Message | Notice, position: Position) -> None:
        """Queue an item, and stand after it; at the bound neither."""
        if self.behind or len(self._queue) >= self._bound:
            self._doubt()
            return
        self._queue.append(item)
        self.position = position
        if isinstance(item, Message):
            self._shown[position.epoch] = position.offset
            if len(self._shown) > _EPOCHS:
                self._shown.popitem(last=False)

    def _doubt(self) -> None:
        self.behind = True
        self._doubts += 1

    # -- hints

    def _hint(self, push: frames.PresencePush | frames.TypingPush | frames.ReadPush) -> None:
        if not self._hints or len(self._queue) >= self._bound:
            return
        match push:
            case frames.PresencePush():
                members = None if push.members is None else tuple(each.user for each in push.members)
                self._queue.append(Presence(self.name, push.count, members))
            case frames.TypingPush():
                self._queue.append(Typing(self.name, push.user.user, push.conversation))
            case frames.ReadPush():
                position = Position(push.epoch, push.offset)
                self._queue.append(Read(self.name, push.user.user, position, push.conversation))
