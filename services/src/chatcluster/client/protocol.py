"""The v1 protocol from a client's side, over all of its connections, without I/O.

Owns what is said when: auth first, then the rooms with their positions, then what is unanswered; what frames and the
end of a connection mean; when to connect next. Does not own sockets nor waiting (client): whoever drives it tells what
happened and at what time, writes `frames_to_send`, hands out `events` and `fresh`, and looks again at `next_due`. Time
is given in seconds of any clock that never goes back; randomness is an argument. So tests drive this very code.
"""

import random
from collections.abc import Iterable

from chatcluster.client import answers, backoff, failures, frames, pipeline
from chatcluster.client.events import Answered, Changed, Event, Failed, Phase
from chatcluster.client.items import Position
from chatcluster.client.pipeline import NEVER, Call, Fields, Pipeline
from chatcluster.client.rooms import Rooms
from chatcluster.client.track import BOUND, Track
from chatcluster.core import errors


class Protocol:
    """One client. Calls are named by keys that the caller chooses, above 0 and each once."""

    def __init__(self, token: str, randomness: random.Random) -> None:
        self.phase = Phase.AWAY
        self.connect_at = 0.0
        """When to connect, while `phase` is AWAY."""
        self.leaving = False
        """The connection is of no use any more: close it, and tell by `disconnected`."""
        self.error: errors.ChatError | None = None
        """Why it is over."""
        self._token = token
        self._random = randomness
        self._calls = Pipeline(randomness)
        self._rooms = Rooms(self._calls, randomness)
        self._greeting: list[str] = []
        self._events: list[Event] = []
        self._tries = 0
        self._opened_at = NEVER
        self._leave_at = NEVER
        self._why: errors.ChatError | None = None
        """Why this side ends the connection."""

    # -- what there is to do

    def frames_to_send(self, now: float) -> list[str]:
        """The frames to write now, in this order."""
        written, self._greeting = self._greeting, []
        if self.phase is Phase.OPEN and not self.leaving:
            self._rooms.join_what_is_missing(now)
            written += self._calls.ready(now)
        return written

    def events(self) -> list[Event]:
        """What to hand out now."""
        happened, self._events = self._events, []
        return happened

    def fresh(self) -> Iterable[Track]:
        """The rooms that may have something new to take."""
        return self._rooms.fresh()

    def next_due(self, now: float) -> float:
        """When to call `tick` at the latest."""
        return min(self._leave_at, self._calls.next_due(now))

    def tick(self, now: float) -> None:
        """Do what is due by time."""
        for call in self._calls.overdue(now):
            self._fail(call)
        if self._leave_at <= now:
            self.leaving = True
        if self._calls.is_stuck(now):
            self._leave(errors.Unavailable("the gateway answers nothing"))

    # -- what the application wants

    def join(self, key: int, name: str, since: Position | None, *, hints: bool = False, bound: int = BOUND) -> Track:
        """Hear a room; answered with its track once it is heard."""
        self._check_open()
        track = Track(name, since, hints=hints, bound=bound)
        self._rooms.join(key, track)
        return track

    def leave(self, track: Track) -> None:
        """Hear a room no more."""
        self._rooms.leave(track, tell=self.phase is Phase.OPEN)

    def call(self, key: int, kind: str, fields: Fields, now: float, *, lane: str = "") -> None:
        """Ask something; ended by Answered or Failed with that key. A `send` has time until it is sent."""
        self._check_open()
        give_up = NEVER if kind == "send" else now + pipeline.ASK_FOR
        self._calls.add(Call(key, kind, lambda: fields, lane, give_up=give_up))

    def forget(self, key: int) -> None:
        """Nobody waits for this call any more."""
        self._calls.drop(key)

    def close(self, error: errors.ChatError | None = None) -> None:
        """End it for good. A message that is on its way may or may not be stored."""
        if self.phase is Phase.OVER:
            return
        self.phase, self.leaving, self._leave_at = Phase.OVER, True, NEVER
        self.error = error or failures.Closed("this client was closed")
        for call in self._calls.end():
            outcome = call.outcome
            call.error = outcome if isinstance(outcome, errors.OutcomeUnknown) else self.error
            self._fail(call)
        self._events += [Failed(key, self.error) for key in self._rooms.end(self.error)]
        self._events.append(Changed(Phase.OVER, error=self.error))

    # -- what happens to the connection

    def connected(self, now: float) -> None:
        """There is a connection: ask to be let in."""
        self.phase, self.leaving = Phase.AUTHENTICATING, False
        auth = Call(0, "auth", lambda: {"token": self._token}, give_up=-NEVER)
        self._greeting = [self._calls.launch(auth, now)]

    def received(self, text: str | bytes, now: float) -> None:
        """A frame came. One that is none of this protocol's ends the connection, not the client."""
        if self.leaving:
            return
        try:
            self._take(frames.decode(text), now)
        except frames.BadFrame as exc:
            self._leave(errors.Unavailable(f"the gateway sent what is no frame of this protocol: {exc}"))

    def disconnected(self, now: float, code: int = failures.LOST, reason: str = "", *, at_least: float = 0.0) -> None:
        """The connection is over, or there was none; `at_least` is how long the server asked to stay away."""
        if self.phase is Phase.OVER:
            return
        if not self.leaving and not failures.comes_back(code):
            self.close(failures.of_close(code, reason))
            return
        error = self._why or errors.Unavailable(reason or "the connection was lost")
        wait = self._wait(now, max(at_least, error.retry_after or 0.0))
        self._calls.disconnected()
        self._calls.drop(0)
        self._rooms.disconnected()
        self.phase, self.leaving, self.connect_at = Phase.AWAY, False, now + wait
        self._greeting, self._opened_at, self._leave_at, self._why = [], NEVER, NEVER, None
        self._events.append(Changed(Phase.AWAY, error=error, wait=wait))

    # -- the steps that they share

    def _take(self, frame: frames.Push | frames.Ok | frames.Refusal | None, now: float) -> None:
        match frame:
            case frames.Ok():
                if call := self._calls.answered(frame.id):
                    self._answer(call, frame, now)
            case frames.Refusal():
                self._refuse(frame, now)
            case frames.ReconnectPush():
                self._leave_at = min(self._leave_at, now + frame.after_ms / 1000)
            case None:
                pass
            case _:
                self._rooms.pushed(frame)

    def _answer(self, call: Call, frame: frames.Ok, now: float) -> None:
        match call.kind:
            case "auth":
                session = frames.read(frame.fields, answers.AuthAnswer).session()
                self.phase, self._opened_at = Phase.OPEN, now
                self._events.append(Changed(Phase.OPEN, session))
            case "join":
                self._events += [Answered(key, track) for key, track in self._rooms.answered(call, frame.fields)]
            case _ if call.key > 0:
                self._hand_out(call, frame)

    def _hand_out(self, call: Call, frame: frames.Ok) -> None:
        try:
            self._events.append(Answered(call.key, answers.read(call.kind, frame.fields)))
        except frames.BadFrame:
            call.error = errors.OutcomeUnknown("the gateway's answer is not one of this protocol")
            self._fail(call)
            raise

    def _refuse(self, refusal: frames.Refusal, now: float) -> None:
        call = self._calls.refused(refusal, now)
        if refusal.code == errors.SessionEnded.code:
            self.close(failures.of_refusal(refusal))
        if call and call.kind == "auth" and call.error:
            self._leave(call.error) if pipeline.is_repeated(refusal) else self.close(call.error)
        elif call:
            self._fail(call)

    def _fail(self, call: Call) -> None:
        error = call.error or errors.Unavailable()
        keys = self._rooms.refused(call) if call.kind == "join" else [call.key]
        self._events += [Failed(key, error) for key in keys if key > 0]

    def _leave(self, error: errors.ChatError) -> None:
        self.leaving, self._why = True, error

    def _wait(self, now: float, at_least: float) -> float:
        """How long to stay away: what a stopping gateway said, or longer after each attempt in vain."""
        if now >= self._opened_at + backoff.LASTED:
            self._tries = 0
        if self._leave_at < NEVER and self._why is None:
            return max(at_least, self._leave_at - now)
        self._tries += 1
        return backoff.wait(self._tries - 1, self._random, at_least)

    def _check_open(self) -> None:
        if self.error:
            raise self.error
