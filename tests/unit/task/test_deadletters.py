from pathlib import Path

import pytest

from chatcluster.core import ids
from chatcluster.core.ids import ShardId, StreamId
from chatcluster.log import log
from chatcluster.task import deadletters
from chatcluster.v1 import types_pb2 as pb
from support.tasking import ROOM, SHARD, SHARDS, Tasking


class Terminal:
    """What was written."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, text: str) -> None:
        self.text += text

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line."""
        return [line.split() for line in self.text.splitlines()]


@pytest.fixture
def terminal() -> Terminal:
    """An empty terminal."""
    return Terminal()


@pytest.fixture
async def tasking() -> Tasking:
    """A log with two dead letters in one shard."""
    tasking = Tasking()
    await tasking.post(ROOM, "secret")
    tasking.spoil(ROOM)
    ownership = await tasking.memory.acquire(SHARD, "task-1")
    assert ownership is not None
    for entry in await tasking.memory.entries(SHARD, ids.ZERO, 10, 0):
        await tasking.memory.set_aside(ownership, entry, entry.poison or "deadly")
    return tasking


async def entries(tasking: Tasking) -> list[StreamId]:
    """The entries of the dead letters."""
    return [letter.entry.id for letter in await tasking.memory.dead_letters(SHARD, 10)]


async def test_dead_letters_are_listed(tasking: Tasking, terminal: Terminal) -> None:
    """With everything but what they say."""
    one, two = await entries(tasking)

    assert await deadletters.show(tasking.memory, 10, terminal) == 0

    time = ["2027-01-15", "08:00:00"]
    assert terminal.lines[1:] == [
        [str(SHARD), str(one), *time, "publication", ROOM, "deadly"],
        [str(SHARD), str(two), *time, "-", "-", "torn"],
        ["2", "dead", "letters"],
    ]
    assert "secret" not in terminal.text


async def test_a_list_is_bounded(tasking: Tasking, terminal: Terminal) -> None:
    """The oldest of each shard are shown."""
    await deadletters.show(tasking.memory, 1, terminal)

    assert [words[-1] for words in terminal.lines[1:-1]] == ["deadly"]


async def test_nothing_to_list_is_said(terminal: Terminal) -> None:
    """In one line."""
    assert await deadletters.show(Tasking().memory, 10, terminal) == 0
    assert terminal.text == "0 dead letters\n"


async def test_dead_letter_is_replayed(tasking: Tasking, terminal: Terminal) -> None:
    """The one that was named, and the other is left."""
    one, two = await entries(tasking)

    assert await deadletters.replay(tasking.memory, SHARD, [one], terminal) == 0

    assert terminal.text == f"{SHARD} {one} is in dispatch again\n"
    assert await entries(tasking) == [two]


async def test_what_is_no_dead_letter_is_said(tasking: Tasking, terminal: Terminal) -> None:
    """The others are replayed, and the exit code tells."""
    one, _ = await entries(tasking)

    assert await deadletters.replay(tasking.memory, SHARD, [StreamId(1, 2), one], terminal) == 1

    assert terminal.lines[0] == [str(SHARD), "1-2", "is", "no", "dead", "letter"]
    assert terminal.lines[1][1] == str(one)


async def test_all_are_replayed(tasking: Tasking, terminal: Terminal) -> None:
    """In the order in which they were set aside."""
    before = await entries(tasking)

    assert await deadletters.replay_all(tasking.memory, terminal) == 0

    assert [words[1] for words in terminal.lines] == [str(entry) for entry in before]
    assert await entries(tasking) == []


async def test_dead_letter_is_discarded(tasking: Tasking, terminal: Terminal) -> None:
    """The one that was named, once; the other is left, and nothing comes back into dispatch."""
    one, two = await entries(tasking)
    before = await tasking.memory.entries(SHARD, ids.ZERO, 10, 0)

    assert await deadletters.discard(tasking.memory, SHARD, [one], terminal) == 0
    assert await deadletters.discard(tasking.memory, SHARD, [one], terminal) == 1

    assert terminal.text == f"{SHARD} {one} is discarded\n{SHARD} {one} is no dead letter\n"
    assert await entries(tasking) == [two]
    assert await tasking.memory.entries(SHARD, ids.ZERO, 10, 0) == before


async def test_all_of_a_shard_are_discarded(tasking: Tasking, terminal: Terminal) -> None:
    """Another shard's are left."""
    before = await entries(tasking)

    await deadletters.discard_all(tasking.memory, ShardId((SHARD + 1) % SHARDS), terminal)
    assert (terminal.text, await entries(tasking)) == ("", before)

    assert await deadletters.discard_all(tasking.memory, SHARD, terminal) == 0
    assert [words[1] for words in terminal.lines] == [str(entry) for entry in before]
    assert await entries(tasking) == []


@pytest.mark.parametrize(
    "words", ["discard 3", "discard-all", "discard-all 99", "discard 3 nonsense", "discard-all 3 1-0"]
)
async def test_discarding_has_to_be_told_what(words: str, tmp_path: Path, terminal: Terminal) -> None:
    """A command line that could mean more than was meant is refused, before Redis is asked."""
    url = tmp_path / "url"
    url.write_text("redis://127.0.0.1:1")

    with pytest.raises(SystemExit):
        await deadletters.command(words.split(), {"CHATCLUSTER_REDIS_URL_FILE": str(url)}, terminal)


def test_what_a_stranger_wrote_does_not_reach_the_terminal() -> None:
    """Control characters in a reason are not printed."""
    letter = log.DeadLetter(log.Entry(StreamId(1, 0), 0, 0, control=pb.Control(room="user:1")), "a\x1b[2Jb\n", 0)

    assert deadletters.line(ShardId(3), letter).endswith("control      user:1                a?[2Jb?\n")
