"""One connection to a Redis server, shared by all who have something to say to it.

Owns pipelining: commands go out in the order in which they are given, those of one turn of the loop in one write, and
each gets its own answer. Does not own how a connection is made (redis_connections) nor what a failure means (redis).
It stands here because redis-py keeps a connection for each command that is under way: on the way of every message
through logic and task that costs five times the work, on both ends.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import hiredis
from redis import exceptions
from redis._parsers import BaseParser

Connect = Callable[[], Awaitable[asyncio.StreamWriter]]
"""Makes a connection that is logged in, and from which nobody reads. Raises `NotConnected`."""

_NOTHING = object()
"""What the parser says when it has no whole answer; no answer is that."""


class NotConnected(exceptions.ConnectionError):
    """No connection could be had, so nothing was sent."""


class Link(asyncio.Protocol):
    """A connection that is ready for commands. All methods are to be called in its loop.

    Unbounded by itself: who calls keeps the number of commands that are under way small.
    """

    def __init__(self, writer: asyncio.StreamWriter, patience: float) -> None:
        """`writer` comes from a `Connect`. `patience`: see `abandoned`; in seconds."""
        self._loop = asyncio.get_running_loop()
        self._writer = writer  # it would close the transport when it is collected
        self._transport = cast("asyncio.Transport", writer.transport)
        self._patience = patience
        self._parser = hiredis.Reader(
            protocolError=exceptions.InvalidResponse, replyError=BaseParser.parse_error, notEnoughData=_NOTHING
        )
        self._answers: deque[asyncio.Future[Any]] = deque()
        """Of all commands without an answer, in their order."""
        self._unsent: list[bytes] = []
        """The last of them: what is written at the end of this turn."""
        self._heard = self._loop.time()
        self.is_usable = True
        """Whether it takes commands."""
        self._transport.set_protocol(self)

    @property
    def is_idle(self) -> bool:
        """Whether it is usable and nothing is under way."""
        return self.is_usable and not self._answers

    def call(self, words: Iterable[Any]) -> asyncio.Future[Any]:
        """Give a command; its answer comes with bytes for texts, and what the server refuses is raised.

        Cancelling the answer does not take the command back. Raises `NotConnected` when it was not sent, and redis-py's
        `ConnectionError` when the connection was lost without an answer.
        """
        answer = self._loop.create_future()
        if not self.is_usable:
            answer.set_exception(NotConnected("the connection was closed"))
            return answer
        if not self._answers:
            self._heard = self._loop.time()
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(cast("Any", tuple(words))))
        self._answers.append(answer)
        return answer

    def abandoned(self) -> None:
        """Tell that an answer is not waited for any longer: a server that has been silent for `patience` is given up.

        So a connection whose other end vanished without a word is replaced, and one that is only slow is not.
        """
        if self._answers and self._loop.time() - self._heard >= self._patience:
            self.abort()

    def retire(self) -> None:
        """Take no more commands, and close when those that were given are answered."""
        self.is_usable = False
        if not self._answers:
            self._transport.close()

    def abort(self) -> None:
        """Close now; who waits for an answer gets none."""
        self._fail(exceptions.ConnectionError("the connection was given up"))
        self._transport.abort()

    # -- asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Hand out the answers that came."""
        self._heard = self._loop.time()
        self._parser.feed(data)
        try:
            while (answer := self._parser.gets()) is not _NOTHING:
                self._hand_out(answer)
        except exceptions.InvalidResponse as exc:
            self._fail(exceptions.ConnectionError(f"what the server said was not understood: {exc}"))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self._fail(exceptions.ConnectionError(str(exc or "the server closed the connection")))

    def _hand_out(self, answer: Any) -> None:
        waiting = self._answers.popleft()
        if isinstance(answer, exceptions.ReadOnlyError):
            self.retire()  # the master was demoted: who asks next is to look for the new one
        if waiting.done():
            return
        if isinstance(answer, exceptions.RedisError):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)
        if not self.is_usable and not self._answers:
            self._transport.close()

    def _flush(self) -> None:
        if self._unsent:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def _fail(self, failure: exceptions.ConnectionError) -> None:
        self.is_usable = False
        sent = len(self._answers) - len(self._unsent)
        for number, answer in enumerate(self._answers):
            if not answer.done():
                answer.set_exception(failure if number < sent else NotConnected(str(failure)))
        self._answers.clear()
        self._unsent.clear()


class Node:
    """One server, by links that are made when they are needed."""

    def __init__(self, connect: Connect, patience: float) -> None:
        """`patience` is that of the links, in seconds."""
        self._connect = connect
        self._patience = patience
        self._link: Link | None = None
        self._attempt: asyncio.Task[Link] | None = None
        self._idle: list[Link] = []
        self._own: set[Link] = set()

    async def execute(self, *words: Any, alone: bool = False) -> Any:
        """Execute a command, on the link that all share or `alone`. Raises what `Link.call` raises.

        A command that may block needs a link that is its own meanwhile; there must be few at once.
        """
        if alone:
            return await self._execute_alone(words)
        link = await self.shared()
        answer = link.call(words)
        try:
            return await answer
        except asyncio.CancelledError:
            link.abandoned()
            raise

    async def _execute_alone(self, words: Iterable[Any]) -> Any:
        link = await self._take()
        try:
            return await link.call(words)
        finally:
            if link.is_idle:
                self._idle.append(link)
            else:  # an answer may still be on its way
                self._own.discard(link)
                link.abort()

    async def shared(self) -> Link:
        """The link that all share, connected. Whoever waits for one attempt to connect is told how it ended."""
        if self._link is not None and self._link.is_usable:
            return self._link
        if self._attempt is None:
            self._attempt = asyncio.create_task(self._make())
            self._attempt.add_done_callback(self._attempted)
        return await asyncio.shield(self._attempt)

    async def aclose(self) -> None:
        """Close all links."""
        if self._attempt is not None:
            self._attempt.cancel()
        for link in filter(None, (self._link, *self._own)):
            link.abort()

    async def _take(self) -> Link:
        while self._idle:
            link = self._idle.pop()
            if link.is_usable:
                return link
            self._own.discard(link)
        link = await self._make()
        self._own.add(link)
        return link

    async def _make(self) -> Link:
        return Link(await self._connect(), self._patience)

    def _attempted(self, attempt: asyncio.Task[Link]) -> None:
        self._attempt = None
        if not attempt.cancelled() and attempt.exception() is None:
            self._link = attempt.result()
