"""The rooms of a client, over all of its connections.

Owns which rooms are to be heard, and asking for them: at first, on every new connection, and whenever something is
missing in one. Does not own positions (track) nor the wire (pipeline). Pure.

Bound: `MOST` rooms; how many a connection may have is the gateway's to say, 100 by default.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chatcluster.client import answers, backoff, failures, frames
from chatcluster.client.pipeline import Call, Pipeline
from chatcluster.client.track import RoomPush, Track
from chatcluster.core import errors

MOST = 1000


class Rooms:
    """The tracks, and the calls that serve them. Their keys are below 0: no application waits for them."""

    def __init__(self, calls: Pipeline, randomness: random.Random) -> None:
        self._calls = calls
        self._random = randomness
        self._tracks: dict[str, Track] = {}
        self._asking: dict[int, Track] = {}
        self._waiting: dict[Track, int] = {}
        """Who waits for a room's first answer."""
        self._fresh: set[Track] = set()
        self._key = 0

    def join(self, key: int, track: Track) -> None:
        """Hear a room. Raises `errors.Invalid` when it is heard already."""
        if track.name in self._tracks:
            raise errors.Invalid(f"{track.name} is joined already: a client shows it once")
        if len(self._tracks) >= MOST:
            raise errors.TooManyRooms(f"a client has at most {MOST} rooms")
        self._tracks[track.name] = track
        self._waiting[track] = key

    def leave(self, track: Track, *, tell: bool) -> None:
        """Hear it no more; on a connection that hears it the gateway is told."""
        if self._tracks.get(track.name) is not track:
            return
        self._remove(track, failures.Closed(f"{track.name} was left"))
        for key in [key for key, each in self._asking.items() if each is track]:
            self._calls.drop(key)
        if tell:
            room = track.name
            self._calls.add(Call(self._next_key(), "leave", lambda: {"room": room}, _lane(room), lasting=True))

    def join_what_is_missing(self, now: float) -> None:
        """Make the calls for rooms that are not heard, or not whole."""
        for track in self._tracks.values():
            if track.wants_join:
                track.asking = True
                key = self._next_key()
                due = now + backoff.wait(track.stalls - 1, self._random) if track.stalls else 0.0
                self._asking[key] = track
                self._calls.add(Call(key, "join", track.ask, _lane(track.name), lasting=True, due=due))

    def answered(self, call: Call, fields: Mapping[str, Any]) -> Iterator[tuple[int, Track]]:
        """A join was answered: go on with it, and say who waited for it. Raises `frames.BadFrame`."""
        track = self._asking.pop(call.key)
        track.asking = False
        if not track.error:
            track.answered(frames.read(fields, answers.JoinAnswer))
            self._fresh.add(track)
            if track in self._waiting:
                yield self._waiting.pop(track), track

    def refused(self, call: Call) -> list[int]:
        """A join was refused for good: the room is over. Says who waited for it."""
        track = self._asking.pop(call.key, None)
        if track is None or track.error:
            return []
        waiters = [self._waiting[track]] if track in self._waiting else []
        self._remove(track, call.error or errors.Unavailable())
        return waiters

    def pushed(self, push: RoomPush) -> None:
        """Something came for a room; for one that is not heard any more it is too late."""
        if track := self._tracks.get(push.room):
            track.pushed(push)
            self._fresh.add(track)

    def disconnected(self) -> None:
        """No room is heard any more."""
        for track in self._tracks.values():
            track.disconnected()

    def end(self, error: errors.ChatError) -> list[int]:
        """All of them are over; who waited for one."""
        waiters = list(self._waiting.values())
        for track in list(self._tracks.values()):
            self._remove(track, error)
        self._asking.clear()
        return waiters

    def fresh(self) -> Iterable[Track]:
        """The tracks that may have more to show than when this was asked last."""
        fresh, self._fresh = self._fresh, set()
        return fresh

    def _remove(self, track: Track, error: errors.ChatError) -> None:
        track.error = error
        self._tracks.pop(track.name, None)
        self._waiting.pop(track, None)
        self._fresh.add(track)

    def _next_key(self) -> int:
        self._key -= 1
        return self._key


def _lane(room: str) -> str:
    return f"room {room}"
