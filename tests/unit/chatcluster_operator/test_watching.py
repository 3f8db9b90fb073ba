"""A mistake in a watch's thread ends neither that watch nor the others."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chatcluster_operator import watching
from chatcluster_operator.kinds import Kind
from support.eventually import eventually


class Faulty:
    """An API server without objects, whose first answer about each kind nobody can make sense of."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def pages(self, kind: Kind, _: str | None) -> Iterator[tuple[list[Any], str]]:
        """One page, from the second time on."""
        if kind.name not in self.failed:
            self.failed.add(kind.name)
            raise KeyError("metadata")
        yield [], "1"

    def watch(self, kind: Kind, namespace: str | None, version: str, seconds: int) -> Iterator[Any]:
        """Say nothing, for ever."""
        threading.Event().wait()
        yield {}


async def test_a_watch_that_crashes_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is listed in the end, and nobody has to restart the operator for it."""
    monkeypatch.setattr(watching, "_PAUSES", (0.01, 0.01))
    server: Any = Faulty()
    watches = watching.Watches(server, watching.Store(lambda _: None), (), 60)

    watches.start()

    await eventually(lambda: watches.is_complete, within=10)
