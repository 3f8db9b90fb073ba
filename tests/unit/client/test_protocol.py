"""What a client shows, driven at random against a model of a gateway that does its worst."""

import random
from dataclasses import dataclass, field

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatcluster.client import items
from chatcluster.client.events import Answered, Failed, Phase
from chatcluster.client.protocol import Protocol
from chatcluster.client.track import Track
from support.model_gateway import ModelGateway
from support.shown import Shown

ROOMS = st.sampled_from(["room:1", "room:2"])
STEPS = st.integers(0, 12)
"""Frames that arrive after something has happened: none, few, or all that it led to."""
BOUND = 4
"""Items that wait for the application: few, so that the bound is met often."""


@dataclass
class View:
    """A room's track, and what an application has taken from it."""

    track: Track
    shown: Shown = field(default_factory=Shown)

    def take(self) -> bool:
        """Take an item, if there is one."""
        item = self.track.take()
        if item is not None:
            self.shown.add(item, self.track.joined_at)
        return item is not None


class ClientMachine(RuleBasedStateMachine):
    """A client, its wires, and its gateway. Time goes by only where a rule says so."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.gateway = ModelGateway()
        self.client = Protocol("good", random.Random(1))
        self.wire: list[str] = []
        """From the client, on their way."""
        self.is_connected = False
        self.views: dict[str, View] = {}
        self.sent: dict[int, tuple[str, str]] = {}
        """Room and message id of each send, by key."""
        self.receipts: dict[str, items.Receipt] = {}
        self.key = 0

    # -- what the application does

    @rule(room=ROOMS)
    def join(self, room: str) -> None:
        """A room is joined at its newest, or from the beginning."""
        if room not in self.views:
            self.key += 1
            since = items.BEGINNING if self.key % 2 else None
            self.views[room] = View(self.client.join(self.key, room, since, bound=BOUND))

    @rule(room=ROOMS)
    def leave(self, room: str) -> None:
        """A room is left."""
        if view := self.views.pop(room, None):
            self.client.leave(view.track)

    @rule(room=ROOMS, count=st.integers(1, 3), steps=STEPS)
    def send(self, room: str, count: int, steps: int) -> None:
        """Messages are sent, without waiting for their answers."""
        for _ in range(count):
            self.key += 1
            self.sent[self.key] = room, f"m{self.key}"
            fields = {"room": room, "message_id": f"m{self.key}", "text": "hi"}
            self.client.call(self.key, "send", fields, self.now, lane=f"send {room}")
        self.exchange(steps)

    @rule(room=ROOMS, count=st.integers(1, 6), steps=STEPS)
    def take(self, room: str, count: int, steps: int) -> None:
        """The application takes what is there."""
        if view := self.views.get(room):
            any(not view.take() for _ in range(count))
        self.exchange(steps)

    # -- what time and wires do

    @initialize(known=st.integers(0, 4))
    def begin(self, known: int) -> None:
        """Something was said before, and one room is joined from its beginning."""
        for each in range(known):
            self.gateway.publish("room:1", f"before {each}", "he")
        self.join("room:1")
        self.exchange(4)

    @rule(seconds=st.sampled_from([0.1, 1.0, 40.0]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds

    @precondition(lambda self: self.is_connected)
    @rule(steps=STEPS)
    def drop(self, steps: int) -> None:
        """The connection is lost, with what is on its way in both directions."""
        self.cut()
        self.exchange(steps)

    # -- what others, the store and the gateway do

    @rule(room=ROOMS, count=st.integers(1, 6), steps=STEPS)
    def others_send(self, room: str, count: int, steps: int) -> None:
        """Others send messages."""
        for _ in range(count):
            self.key += 1
            self.gateway.publish(room, f"o{self.key}", "ho")
        self.exchange(steps)

    @rule(room=ROOMS, count=st.integers(0, 3), again=st.integers(0, 4), steps=STEPS)
    def roll_back(self, room: str, count: int, again: int, steps: int) -> None:
        """The store comes back with less, or with all, in a new epoch, and others go on at once."""
        self.gateway.forget_tail(room, count)
        self.others_send(room, again, steps)

    @rule(room=ROOMS, keep=st.integers(0, 4), steps=STEPS)
    def trim(self, room: str, keep: int, steps: int) -> None:
        """History holds only the newest."""
        self.gateway.trim(room, keep)
        self.exchange(steps)

    @rule(room=ROOMS, steps=STEPS)
    def skip(self, room: str, steps: int) -> None:
        """The gateway tells of a gap."""
        self.gateway.skip(room)
        self.exchange(steps)

    @rule(trouble=st.sampled_from(["busy", "unknown", "lost"]))
    def refuse(self, trouble: str) -> None:
        """The next send ends in an error."""
        self.gateway.trouble.append(trouble)

    @rule(room=ROOMS, steps=STEPS)
    def repeat(self, room: str, steps: int) -> None:
        """The gateway pushes what it has pushed already."""
        self.gateway.repeat(room)
        self.exchange(steps)

    @rule(room=ROOMS, steps=STEPS)
    def lose_push(self, room: str, steps: int) -> None:
        """The gateway leaves a publication out, without a word, and goes on with the next."""
        self.exchange(4)
        self.others_send(room, 1, 0)
        self.gateway.lose_push()
        self.others_send(room, 1, steps)

    @precondition(lambda self: self.client.phase is Phase.OPEN)
    @rule(after=st.sampled_from([0, 500]), steps=STEPS)
    def stop_gateway(self, after: int, steps: int) -> None:
        """The gateway says that it stops."""
        self.gateway.speak(type="reconnect", after_ms=after)
        self.exchange(steps)

    @precondition(lambda self: self.is_connected)
    @rule(
        frame=st.sampled_from([{"type": "new in a later version"}, {"type": "publication"}, {"type": "ok"}]),
        steps=STEPS,
    )
    def speak(self, frame: dict[str, str], steps: int) -> None:
        """The gateway says what this client does not know, or what makes no sense."""
        self.gateway.speak(**frame)
        self.exchange(steps)

    # -- what has to hold

    @invariant()
    def nothing_waits_without_bound(self) -> None:
        """At most as many items wait as were asked for."""
        assert all(view.track.waiting <= BOUND for view in self.views.values())

    def teardown(self) -> None:
        """At the end everything comes to rest: what is shown is the room's history, and each message has one place."""
        self.rest()
        for name in self.gateway.rooms:
            self.gateway.publish(name, f"last {name}", "only the next one shows that one was left out")
        self.rest()
        for name, view in self.views.items():
            self.check_view(name, view)
        self.check_sends()

    def check_view(self, name: str, view: View) -> None:
        """All that history holds since the join is shown, and nothing that it never held."""
        room = self.gateway.room(name)
        view.shown.check({each.offset: each.id for each in room.entries}, room.first, view.track.joined_at)

    def check_sends(self) -> None:
        """Every message was acknowledged, is stored once at most, in the order of sending, and where it was said."""
        assert self.receipts.keys() == {each for _, each in self.sent.values()}
        for name, room in self.gateway.rooms.items():
            stored = [each.id for each in room.entries if each.id.startswith("m")]
            assert len(stored) == len(set(stored))
            for entry in room.entries:
                receipt = self.receipts.get(entry.id)
                assert receipt is None or receipt.room == name

    # -- how it is done

    def exchange(self, steps: int) -> None:
        """Frames arrive, one after another in each direction; with time for many a lost connection comes back."""
        if steps > 4 and self.client.phase is Phase.AWAY:
            self.now = max(self.now, self.client.connect_at)
        for _ in range(steps):
            self.now += 0.01
            self.step()

    def rest(self) -> None:
        """Let everything happen that is still to happen, without further faults."""
        self.gateway.trouble.clear()
        for _ in range(400):
            self.step()
            for view in self.views.values():
                while view.take():
                    pass
            if self.is_quiet():
                return
            self.pass_time()
        raise AssertionError(f"it does not come to rest: {self.client.phase}, {self.views}")

    def pass_time(self) -> None:
        """Let time go by until something is due."""
        is_busy = self.wire or self.gateway.said
        due = self.client.connect_at if self.client.phase is Phase.AWAY else self.client.next_due(self.now)
        self.now = self.now + 0.01 if is_busy else max(self.now + 0.01, min(due, self.now + 60))

    def is_quiet(self) -> bool:
        """Whether nothing is to be done."""
        wants = any(view.track.wants_join or view.track.asking or view.track.waiting for view in self.views.values())
        is_idle = not self.wire and not self.gateway.said and len(self.receipts) == len(self.sent)
        return self.client.phase is Phase.OPEN and is_idle and not wants

    def step(self) -> None:
        """Connect if it is time; move a frame in each direction; do what is due."""
        if self.client.phase is Phase.AWAY and self.client.connect_at <= self.now:
            self.is_connected = True
            self.client.connected(self.now)
        self.client.tick(self.now)
        if self.client.leaving:
            self.cut()
        if self.is_connected:
            self.wire += self.client.frames_to_send(self.now)
            if self.wire:
                self.gateway.hear(self.wire.pop(0))
            if self.gateway.said:
                self.client.received(self.gateway.said.pop(0), self.now)
        self.note()

    def cut(self) -> None:
        """End the connection."""
        self.is_connected = False
        self.wire.clear()
        self.gateway.disconnect()
        self.client.disconnected(self.now)

    def note(self) -> None:
        """Take what the client was told."""
        for event in self.client.events():
            match event:
                case Answered(key, items.Receipt() as receipt):
                    self.receipts[self.sent[key][1]] = receipt
                case Failed(key, error):
                    assert key not in self.sent, error


TestClient = ClientMachine.TestCase
TestClient.settings = settings(max_examples=150, stateful_step_count=40)
