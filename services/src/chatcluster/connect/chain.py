"""How far dispatch of one shard is known to be unbroken on this gateway.

Owns the two ids between which nothing was left out (`since` to `last`), and the epoch in which they mean something.
Does not own rooms: whether a room is sound is asked here, by its proof. Pure; the hub tells it what arrives.
"""

from enum import Enum
from typing import NamedTuple

from chatcluster.core.ids import Incarnation, ShardEpoch, StreamId

SILENCE = 12.0
"""Seconds without a batch after which dispatch of a shard is not trusted any more (an empty one comes every 5)."""


class Proof(NamedTuple):
    """When a room was registered: by which incarnation, in which epoch, after which dispatch entry."""

    incarnation: Incarnation
    epoch: ShardEpoch
    id: StreamId


class Seen(Enum):
    """What a batch or an answer meant."""

    STALE = "it comes from an epoch that is over"
    ON = "nothing was left out"
    BROKEN = "something was left out, or a new epoch began: rooms have to prove themselves again"


class Chain:
    """Dispatch of one shard is unbroken from `since` to `last`; both None while nothing is known."""

    __slots__ = ("_adopted", "epoch", "heard", "last", "since")

    def __init__(self) -> None:
        self.epoch = ShardEpoch("")
        self.since: StreamId | None = None
        self.last: StreamId | None = None
        self.heard = 0.0
        self._adopted = 0

    def batch(self, epoch: ShardEpoch, prev: StreamId, upto: StreamId, number: int, now: float) -> Seen:
        """A batch that holds everything after `prev` up to `upto`; `number` is the last one that the hub gave out."""
        if epoch < self.epoch:
            return Seen.STALE
        if epoch > self.epoch:
            self._adopt(epoch, number)
        broken = self.last is None or prev > self.last
        if broken:
            self.since = prev
        self.last = max(self.last or upto, upto)
        self.heard = now
        return Seen.BROKEN if broken else Seen.ON

    def registered(self, epoch: ShardEpoch, last: StreamId, asked: int, number: int, now: float) -> Seen:
        """An answer to the registration `asked`: at that moment `last` was the newest dispatch entry.

        A lower epoch is a late answer, unless it was asked for after the higher one was heard of: then the server has
        gone back and its clock with it, and what it says now is the truth.
        """
        if epoch < self.epoch and asked <= self._adopted:
            return Seen.STALE
        broken = epoch != self.epoch
        if broken:
            self._adopt(epoch, number)
        if self.last is None:
            self.since = self.last = last
            self.heard = now
        return Seen.BROKEN if broken else Seen.ON

    def proves(self, proof: Proof | None, incarnation: Incarnation) -> bool:
        """Whether a room with that proof has missed nothing of dispatch since it was registered."""
        return (
            proof is not None
            and self.since is not None
            and proof.incarnation == incarnation
            and proof.epoch == self.epoch
            and proof.id >= self.since
        )

    def is_silent(self, now: float) -> bool:
        """Whether batches should have come and did not."""
        return self.since is not None and now - self.heard > SILENCE

    def forget(self) -> None:
        """Trust nothing that was received so far; the epoch stays."""
        self.since = self.last = None

    def _adopt(self, epoch: ShardEpoch, number: int) -> None:
        self.epoch = epoch
        self._adopted = number
        self.forget()
