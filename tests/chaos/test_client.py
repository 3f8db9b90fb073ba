"""The Python client on a real system whose connections, gateways and store fail, by a walk drawn from a seed.

30 rounds with --full, else 3; --seed repeats the choices of an earlier run.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chatcluster.client import frames
from chatcluster.client.items import Position
from chatcluster.client.track import Track
from support.system import System
from support.walk import Walk


class Forgetful(Track):
    """A room of a client that ignores offsets: it joins at the newest, and shows whatever comes."""

    def ask(self) -> Mapping[str, Any]:
        return {**super().ask(), "since": None}

    def _publication(self, publication: frames.Publication) -> None:
        self._show(publication.message(self.name), Position(publication.epoch, publication.offset))


async def test_what_a_client_shows_is_what_is_stored(
    system: System, request: pytest.FixtureRequest, seed: int, figure: Callable[[str], None]
) -> None:
    """Three users talk, whisper, leave and come back while connections break, gateways are killed and Redis comes back
    with less. At every quiet point what each is shown is the room's history, in its order and without a message twice,
    and what is missing was told; nobody is told of a loss before there was one.
    """
    rounds = 30 if request.config.getoption("--full") else 3
    async with Walk(system, seed) as walk:
        try:
            await walk.round()
            for _ in range(rounds - 1):
                await walk.round("roll_back")
        except Exception as failure:
            failure.add_note(f"--seed {seed}; {walk.report()}")
            raise
        figure(
            f"{rounds} rounds, {len(walk.log)} steps, {len(walk.receipts)} messages, "
            f"Redis rolled back {walk.losses} times, {walk.tellings} readers told of it"
        )
        assert walk.tellings, "nothing that was shown was lost: the run proves little"


async def test_a_client_that_ignores_offsets_is_found_out(
    system: System, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The same walk: what was said while its connection was broken is missing, and nobody tells of it."""
    monkeypatch.setattr("chatcluster.client.protocol.Track", Forgetful)
    with pytest.raises(AssertionError, match="a hole"):
        async with Walk(system, seed) as walk:
            await walk.round()
