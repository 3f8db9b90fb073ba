"""Unknown outcomes of steps that may be repeated.

Owns the one repetition that logic itself makes, of idempotent steps which nobody outside could repeat: the client does
not know the hash, the session or the order that was being stored. A publication is not repeated here: its sender holds
the message id, and knows best how long an answer is still of use.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from chatcluster.core import errors

_T = TypeVar("_T")


async def repeated_once(step: Callable[[], Awaitable[_T]]) -> _T:
    """Take an idempotent step, and once more when its outcome is unknown.

    Raises `errors.OutcomeUnknown` when the repetition does not clear it up, `errors.Unavailable` only when the first
    attempt surely did nothing.
    """
    try:
        return await step()
    except errors.OutcomeUnknown:
        try:
            return await step()
        except errors.Unavailable as exc:
            raise errors.OutcomeUnknown from exc
