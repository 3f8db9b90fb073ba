"""The synthetic user's rounds: a message is sent, and every gateway has to show it.

Owns when a round begins, what it waits for, and what is counted of it. Does not own who is to blame (client.blame) nor
what follows from several rounds (verdict).

A round begins every interval, whether or not the last one has ended: a part that hangs is found out about as soon as
one that refuses. Each is sent on a connection of its own, so that every replica of the api gets its turn.
"""

import asyncio
import uuid

from chatcluster.client import blame
from chatcluster.client.blame import Blame, Part
from chatcluster.client.rest import Rest
from chatcluster.core import errors, telemetry
from chatcluster.synthetic.account import Account
from chatcluster.synthetic.listening import Delivery, Ears
from chatcluster.synthetic.settings import Settings
from chatcluster.synthetic.verdict import Judge

SEND_WITHIN = 10.0
"""Seconds for the api to answer; it gives up on what is behind it after 8."""
TEXT = "."
"""As short as a text can be: what is said is the message's id."""
SHOW_WITHIN = 2.0
"""Seconds for a gateway to show what is stored. It takes milliseconds; and without a task a gateway reads history every
12 to 14, by which what was sent just before is shown all the same, a little late."""
AT_ONCE = 8
"""Rounds that are under way; beyond that a turn is left out."""


class Rounds:
    """Rounds without end."""

    def __init__(self, settings: Settings, account: Account, ears: Ears, judge: Judge) -> None:
        self._settings = settings
        self._account = account
        self._ears = ears
        self._judge = judge

    async def run(self) -> None:
        """Begin a round every interval, for ever."""
        under_way = set[asyncio.Task[None]]()
        async with asyncio.TaskGroup() as tasks:
            while True:
                if len(under_way) < AT_ONCE and not self._ears.is_starting:
                    task = tasks.create_task(self._round(), name="round")
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(self._settings.interval)

    async def _round(self) -> None:
        number = self._judge.begin()
        try:
            found = await self._play()
        except errors.ChatError as exc:
            found = blame.of_refusal(exc)
            telemetry.SYNTHETIC_MESSAGES_TOTAL.labels("refused").inc()
        else:
            telemetry.SYNTHETIC_MESSAGES_TOTAL.labels("lost" if found else "ok").inc()
        self._judge.end(number, found)
        _tell(self._judge, len(self._ears.listening))

    async def _play(self) -> Blame | None:
        message_id = str(uuid.uuid4())
        delivery = self._ears.expect(message_id)
        try:
            await self._send(message_id)
            await delivery.complete(SHOW_WITHIN)
            return await self._judged(delivery)
        finally:
            self._ears.forget(message_id)

    async def _judged(self, delivery: Delivery) -> Blame | None:
        for seconds in delivery.shown.values():
            telemetry.SYNTHETIC_LATENCY_SECONDS.observe(seconds)
        heard = await self._ears.heard(delivery)
        return blame.of_silence(heard, SHOW_WITHIN) if heard else Blame(Part.GATEWAY, "none is reached")

    async def _send(self, message_id: str) -> None:
        """Store a message. A session that has ended in the meantime is replaced. Raises what the api raises."""
        token = await self._account.token()
        try:
            await self._store(token, message_id)
        except errors.SessionEnded:
            self._account.ended(token)
            await self._store(await self._account.token(), message_id)

    async def _store(self, token: str, message_id: str) -> None:
        async with Rest(self._settings.api, token, within=SEND_WITHIN) as rest:
            await rest.call("POST", f"/v1/rooms/{self._settings.room}/messages", {"text": TEXT}, key=message_id)


def _tell(judge: Judge, gateways: int) -> None:
    verdict = judge.verdict
    telemetry.SYNTHETIC_GATEWAYS.set(gateways)
    if verdict.delivering is not None:
        for part in Part:
            is_to_blame = verdict.blame is not None and verdict.blame.part is part
            telemetry.SYNTHETIC_UP.labels(part.lower()).set(not is_to_blame)
