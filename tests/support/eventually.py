"""Waiting for a state of the world instead of for time to pass."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    condition: Callable[[], Awaitable[T]], *, within: float = ..., every: float = ..., what: str = ...
) -> T: ...


@overload
async def eventually(condition: Callable[[], T], *, within: float = ..., every: float = ..., what: str = ...) -> T: ...


async def eventually(condition: Callable[[], Any], *, within: float = 10.0, every: float = 0.02, what: str = "") -> Any:
    """Call `condition` until it returns something true; return that.

    Raises AssertionError with the last value, or the last AssertionError of the condition itself, after `within`
    seconds. A look that takes longer than that is cut off.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    last: object = None
    while True:
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await asyncio.wait_for(value, max(0.001, deadline - loop.time()))
            if value:
                return value
            last = value
        except AssertionError as exc:
            last = exc
        except TimeoutError:
            last = last or "the look itself did not end"
        if loop.time() >= deadline:
            cause = last if isinstance(last, AssertionError) else None
            raise AssertionError(f"not within {within} s: {what or condition}; last seen: {last!r}") from cause
        await asyncio.sleep(every)
