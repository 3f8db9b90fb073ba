"""Passwords: argon2id in threads, with a bound on how many wait.

Owns the cost of a hash, the threads that pay it and the refusal beyond the bound. Knows no accounts. Hashing takes tens
of milliseconds of a core and is what a stranger can make the cluster do, so it never runs on the event loop (argon2
lets go of the interpreter lock) and never queues without end.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import argon2
from argon2 import exceptions

from chatcluster.core import errors, telemetry

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs, and how many may be paid at once."""

    memory: int = 19_456
    """KiB a hash; with `passes` the least that OWASP recommends."""
    passes: int = 2
    """Passes over the memory."""
    threads: int = 1
    """Hashes computed at the same time; more than there are cores only makes each slower."""
    queue: int = 64
    """Hashes that wait for a thread, at about 20 ms each; one more is refused as busy."""


class Passwords:
    """Hashes and verifies passwords; close it to stop its threads."""

    def __init__(self, cost: Cost) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory, parallelism=1)
        self._threads = ThreadPoolExecutor(cost.threads, thread_name_prefix="password")
        self._slots = threading.BoundedSemaphore(cost.threads + cost.queue)
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """A new hash with its own salt, in argon2's text form. Raises `errors.Busy` when too many wait."""
        return await self._run(lambda: self._hasher.hash(password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether a password is the one that was hashed; never without a hash.

        Without a hash it verifies against one of nobody's all the same, so that the time tells no stranger which names
        have accounts. Raises `errors.Busy` when too many wait.
        """
        verified = await self._run(lambda: self._verify(password_hash or self._nobody, password))
        return verified and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made at another cost than is set now."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Stop the threads; what still waits is cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except exceptions.VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], _T]) -> _T:
        if not self._slots.acquire(blocking=False):
            raise errors.Busy("too many passwords are being checked", retry_after=1)
        telemetry.PASSWORD_HASHES_IN_PROGRESS.inc()
        future = self._threads.submit(work)
        # The slot is the thread's and not the caller's: a caller who goes away leaves a hash that runs to its end.
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _: Future[_T]) -> None:
        telemetry.PASSWORD_HASHES_IN_PROGRESS.dec()
        self._slots.release()
