"""Requests that are to be answered: which are on their way, which wait, and which are sent again.

Owns request ids, the order within a lane, repetition with age after an error or a lost connection, and deadlines. Does
not own what a request means nor when there is a connection (protocol). Pure.

Bounds: `UNANSWERED` calls, beyond which a new one is refused as busy; `WINDOW` of them on the wire at once.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatcluster.client import backoff, failures, frames
from chatcluster.core import errors

UNANSWERED = 1000
WINDOW = 32
"""Requests under way that a gateway allows a connection."""
ANSWER_WITHIN = 30.0
"""Seconds; a connection on which a request waits longer for its answer is taken for dead."""
SEND_FOR = 480.0
"""Seconds after its first attempt for which a message is sent again; a gateway refuses it later as `expired`."""
ASK_FOR = 30.0
"""Seconds for which anything else is asked again."""
NEVER = float("inf")

Fields = Mapping[str, Any]


@dataclass(slots=True)
class Call:
    """One request, over all its attempts."""

    key: int
    """By which whoever asked knows it."""
    kind: str
    build: Callable[[], Fields]
    """What is sent, as of the moment at which it is."""
    lane: str = ""
    """Calls of one lane are sent one after another, each when the one before is answered. Empty: in no lane."""
    lasting: bool = False
    """It is repeated until it is answered: joins."""
    due: float = 0.0
    """Not sent before."""
    give_up: float = NEVER
    """After this an error is not waited out any more."""
    first: float | None = None
    """When it was sent first."""
    sent: float = 0.0
    """When it was sent last."""
    id: int = 0
    """Of the attempt on its way; 0: none."""
    tries: int = 0
    error: errors.ChatError | None = None
    """What the last attempt ended with."""
    doubtful: bool = False
    """An attempt may have had an effect that nobody was told of."""

    @property
    def outcome(self) -> errors.ChatError:
        """What whoever asked is told when it is given up: of a message that may be stored, that this is so."""
        if self.kind == "send" and (self.doubtful or self.id):
            return errors.OutcomeUnknown()
        return self.error or errors.Unavailable("there was no connection to a gateway in time")

    def fields(self, now: float) -> Fields:
        """What to send; a message that was sent before says how long ago."""
        if self.kind == "send" and self.first is not None and self.tries:
            return {**self.build(), "age_ms": round((now - self.first) * 1000)}
        return self.build()


class Pipeline:
    """All calls of a client, in the order in which they were made."""

    def __init__(self, randomness: random.Random) -> None:
        self._random = randomness
        self._calls: dict[int, Call] = {}
        self._flying: dict[int, Call] = {}
        self._next_id = 0

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        """Take a call. Raises `errors.Busy` at the bound; joins have theirs by the number of rooms."""
        if len(self._calls) >= UNANSWERED and not call.lasting:
            raise errors.Busy(f"{UNANSWERED} requests wait for an answer already")
        self._calls[call.key] = call

    def drop(self, key: int) -> None:
        """Nobody waits for it any more. What is on its way stays so, for its lane."""
        call = self._calls.get(key)
        if call and not call.id:
            del self._calls[key]

    def ready(self, now: float) -> list[str]:
        """The frames to write now."""
        frames_out, lanes = [], set[str]()
        for call in self._calls.values():
            if len(self._flying) >= WINDOW:
                break
            if not call.id and call.due <= now and call.lane not in lanes:
                frames_out.append(self._launch(call, now))
            if call.lane:
                lanes.add(call.lane)
        return frames_out

    def launch(self, call: Call, now: float) -> str:
        """The frame of a call that goes before all others: auth."""
        self._calls[call.key] = call
        return self._launch(call, now)

    def answered(self, request_id: int) -> Call | None:
        """End the call that this answers; None when there is none."""
        call = self._flying.pop(request_id, None)
        if call:
            del self._calls[call.key]
        return call

    def refused(self, refusal: frames.Refusal, now: float) -> Call | None:
        """Take an error: the call that it ends, with `error` set; None when the call waits for another attempt."""
        call = self._flying.pop(refusal.id, None)
        if call is None:
            return None
        call.id, call.tries = 0, call.tries + 1
        call.error = failures.of_refusal(refusal)
        call.doubtful |= isinstance(call.error, errors.OutcomeUnknown)
        call.due = now + backoff.wait(min(call.tries - 1, 3), self._random, refusal.retry_after or 0)
        if is_repeated(refusal) and (call.lasting or call.due <= call.give_up):
            return None
        del self._calls[call.key]
        call.error = call.outcome if call.error.temporary else call.error
        return call

    def disconnected(self) -> None:
        """Whatever was on its way may or may not have arrived: it is sent again on the next connection."""
        for call in self._flying.values():
            call.id, call.due, call.tries = 0, 0.0, call.tries + 1
            call.error, call.doubtful = errors.Unavailable("the connection was lost"), True
        self._flying.clear()

    def overdue(self, now: float) -> list[Call]:
        """End the calls that wait for an attempt past their time, with `error` set."""
        late = [call for call in self._calls.values() if not call.id and call.give_up <= now]
        for call in late:
            del self._calls[call.key]
            call.error = call.outcome
        return late

    def is_stuck(self, now: float) -> bool:
        """Whether an answer is so late that the connection is taken for dead."""
        return any(call.sent + ANSWER_WITHIN <= now for call in self._flying.values())

    def next_due(self, now: float) -> float:
        """When to look again: something is to be sent, given up, or taken for stuck. What could be sent by now waits
        for an answer instead.
        """
        times = [NEVER]
        for call in self._calls.values():
            if call.id:
                times.append(call.sent + ANSWER_WITHIN)
            else:
                times += [call.give_up] + [call.due] * (call.due > now)
        return min(times)

    def end(self) -> list[Call]:
        """Forget all calls; returns them."""
        calls = list(self._calls.values())
        self._calls.clear()
        self._flying.clear()
        return calls

    def _launch(self, call: Call, now: float) -> str:
        self._next_id += 1
        fields = call.fields(now)
        if call.kind == "send" and call.first is None:
            call.first, call.give_up = now, now + SEND_FOR
        call.id, call.sent, call.due = self._next_id, now, 0.0
        self._flying[call.id] = call
        return frames.encode(call.id, {"type": call.kind, **fields})


def is_repeated(refusal: frames.Refusal) -> bool:
    """Whether the same request may succeed later."""
    return refusal.retry_after is not None or errors.by_code(refusal.code).temporary
