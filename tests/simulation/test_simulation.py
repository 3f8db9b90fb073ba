"""Random histories of the product's own hub, lanes and dispatch: nothing acknowledged is lost, doubled or out of order.

`make check` runs the first 800 histories, `make test-full` 20,000. Each mutant takes one rule of the delivery protocol
away and must be found out, so that a green run means something.
"""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from chatcluster.connect import chain, hub, room
from chatcluster.core import ids
from chatcluster.log import log, memory
from chatcluster.task import dispatch, lane
from simulation.surroundings import CALM, Faults
from simulation.world import World

SLICES = 8


@pytest.fixture
def count(request: pytest.FixtureRequest) -> int:
    """Return how many histories are played: 20,000 with --full, else 800."""
    return 20_000 if request.config.getoption("--full") else 800


def histories(seeds: Iterable[int], faults: Faults) -> Iterable[World]:
    """The histories of these seeds, of various lengths."""
    return (World(seed, 20 + seed % 150, faults) for seed in seeds)


@pytest.mark.parametrize("part", range(SLICES))
def test_every_history_ends_well(part: int, count: int) -> None:
    """Whatever crashes, lapses, is repeated, reordered or rolled back: in the end all is served once, in order."""
    for world in histories(range(part, count, SLICES), Faults()):
        assert not world.bad, "\n".join([f"seed {world.seed}", *world.bad, *world.trace])


def test_a_calm_history_never_asks_twice() -> None:
    """Without faults the same holds, and nothing is ever passed over."""
    for world in histories(range(100), CALM):
        assert not world.bad, "\n".join([f"seed {world.seed}", *world.bad, *world.trace])


Patch = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, tuple[Patch, Faults, int]] = {}
LOGIC_AWAY = Faults(lapse=0, gateway_crash=0, task_crash=0, rollback=0, poison=0)


def mutant(faults: Faults | None = None, *, first: int = 0) -> Callable[[Patch], Patch]:
    """Register a way to break a rule, and the faults under which that must show.

    `first` is a seed not far before the first history that shows it, where that is a rare one.
    """

    def register(patch: Patch) -> Patch:
        MUTANTS[patch.__name__] = (patch, faults or Faults(), first)
        return patch

    return register


@mutant()
def unregister_without_its_number(patch: pytest.MonkeyPatch) -> None:
    """Whatever arrives last counts, however old it is."""
    hold = memory.MemoryLog._hold

    def always(self: memory.MemoryLog, its: Any, who: ids.Incarnation, _: int, *, registered: bool) -> bool:
        its.holders.pop(who, None)
        return hold(self, its, who, 0, registered=registered)

    patch.setattr(memory.MemoryLog, "_hold", always)


@mutant(CALM, first=1150)
def publication_for_a_joining_room_dropped(patch: pytest.MonkeyPatch) -> None:
    """A room whose join is under way takes nothing."""
    offer = room.Room.offer
    patch.setattr(room.Room, "offer", lambda self, publication: offer(self, publication) if self.joined else None)


def _proves(*, incarnation: bool = True, epoch: bool = True, id: bool = True) -> Any:  # noqa: A002
    def proves(self: chain.Chain, proof: chain.Proof | None, mine: ids.Incarnation) -> bool:
        return (
            proof is not None
            and self.since is not None
            and (not incarnation or proof.incarnation == mine)
            and (not epoch or proof.epoch == self.epoch)
            and (not id or proof.id >= self.since)
        )

    return proves


@mutant()
def proof_without_incarnation(patch: pytest.MonkeyPatch) -> None:
    """A room need not have been registered by this incarnation."""
    patch.setattr(chain.Chain, "proves", _proves(incarnation=False))


@mutant()
def proof_without_epoch(patch: pytest.MonkeyPatch) -> None:
    """A room need not have been registered in this epoch."""
    patch.setattr(chain.Chain, "proves", _proves(epoch=False))


@mutant()
def proof_without_id(patch: pytest.MonkeyPatch) -> None:
    """A room need not have been registered since the chain last broke."""
    patch.setattr(chain.Chain, "proves", _proves(id=False))


@mutant()
def batch_without_epoch(patch: pytest.MonkeyPatch) -> None:
    """A batch does not tell in which epoch its ids mean something."""
    batch = chain.Chain.batch
    patch.setattr(chain.Chain, "batch", lambda self, _, *rest: batch(self, self.epoch, *rest))


@mutant()
def full_lane_that_leaves_no_trace(patch: pytest.MonkeyPatch) -> None:
    """What is left out of a lane does not show in the next batch."""
    patch.setattr(lane.Segment, "leave_out", lambda self: self.items.clear())


@mutant()
def set_aside_that_does_not_break_the_chain(patch: pytest.MonkeyPatch) -> None:
    """An entry set aside is passed as if it had never been there."""
    patch.setattr(dispatch.Dispatch, "_break", lambda self, state, poison: self._read(state, poison))


@mutant(LOGIC_AWAY, first=150)
def gap_skipped_while_logic_is_away(patch: pytest.MonkeyPatch) -> None:
    """When history does not answer, the room goes on after the hole."""
    failed = hub.Hub.failed

    def skip(self: hub.Hub, call: Any, now: float) -> None:
        failed(self, call, now)
        for each in self.rooms.values():
            if each.joined and each.held:
                each.offset = min(each.held) - 1
                each._serve_held()
                self._settle(each, now)

    patch.setattr(hub.Hub, "failed", skip)


@mutant()
def identity_taken_from_the_client(patch: pytest.MonkeyPatch) -> None:
    """A program goes on telling the identity of the server that it first met."""

    def shard(self: memory.MemoryLog, number: int) -> Any:
        state = self.server.shards[number]
        state.identity = state.identity or self.server.identity
        state.epoch = state.epoch or ids.ShardEpoch(f"{int(self._now() * 1000):013d}.{self._draw(8)}")
        return state

    patch.setattr(memory.MemoryLog, "_shard", shard)


@mutant()
def cursor_moved_before_the_gateways_answered(patch: pytest.MonkeyPatch) -> None:
    """The cursor follows what was read."""

    def passed(self: dispatch.Dispatch, shard: ids.ShardId) -> log.Entry | None:
        entries = self._shards[shard].entries
        last = entries[-1] if entries else None
        entries.clear()
        return last

    patch.setattr(dispatch.Dispatch, "passed", passed)


@mutant()
def no_idempotency_key(patch: pytest.MonkeyPatch) -> None:
    """A repeated message is a new one."""
    publish = memory.MemoryLog.publish

    async def forgetful(self: memory.MemoryLog, draft: log.Draft) -> log.Published:
        for shard in self.server.shards:
            shard.sent.clear()
        return await publish(self, draft)

    patch.setattr(memory.MemoryLog, "publish", forgetful)


@mutant()
def copy_known_by_the_owner_and_not_by_its_origin(patch: pytest.MonkeyPatch) -> None:
    """A private publication that outlives an epoch counts as another one."""

    def epoch_now(self: memory.MemoryLog, source: ids.ShardId) -> ids.ShardEpoch:
        return self._shard(source).epoch

    copy = memory.MemoryLog.copy

    async def copied(self: memory.MemoryLog, source: ids.ShardId, copies: list[log.Copy]) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(ids, "shard_epoch_of", lambda _: epoch_now(self, source))
            await copy(self, source, copies)

    patch.setattr(memory.MemoryLog, "copy", copied)


@pytest.mark.parametrize("name", list(MUTANTS))
def test_a_broken_rule_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any one rule of delivery taken away, some history ends badly."""
    patch, faults, first = MUTANTS[name]
    patch(monkeypatch)

    assert any(world.bad for world in histories(range(first, first + 4000), faults))
