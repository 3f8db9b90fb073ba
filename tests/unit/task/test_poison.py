from dataclasses import replace

import pytest

from chatcluster.core import ids
from chatcluster.core.ids import ShardEpoch, ShardId, StreamId
from chatcluster.log import log
from chatcluster.task import poison
from chatcluster.v1 import types_pb2 as pb

GOOD = log.Entry(
    StreamId(1, 0), 1, 1, publication=pb.Publication(room="room:1", body=pb.Message(text="hi").SerializeToString())
)


def owned(takeovers: int) -> log.Ownership:
    """A shard that was taken over so often at its cursor."""
    return log.Ownership(ShardId(0), "token", ShardEpoch("1.a"), ids.ZERO, takeovers)


@pytest.mark.parametrize(
    "entry",
    [
        GOOD,
        log.Entry(StreamId(1, 0), 1, 1, ephemeral=pb.Ephemeral(room="room:1")),
        log.Entry(StreamId(1, 0), 1, 1, control=pb.Control(room="user:7")),
    ],
)
def test_sound_entry_is_left_alone(entry: log.Entry) -> None:
    """Of each of the three kinds."""
    assert poison.judge([entry]) == [entry]


@pytest.mark.parametrize(
    "entry",
    [
        log.Entry(StreamId(1, 0), 1, 1),
        replace(GOOD, publication=pb.Publication(room="nowhere")),
        replace(GOOD, publication=pb.Publication(room="room:1", body=b"\xff\xff")),
        log.Entry(StreamId(1, 0), 1, 1, ephemeral=pb.Ephemeral(room="dm:3:2")),
        log.Entry(StreamId(1, 0), 1, 1, control=pb.Control()),
    ],
)
def test_what_nobody_could_use_is_undecodable(entry: log.Entry) -> None:
    """Nothing in it, a room that is none, or a body that is no message; the neighbours are sound."""
    judged = poison.judge([GOOD, entry, GOOD])

    assert [each.poison for each in judged] == [None, poison.UNDECODABLE, None]


def test_reason_of_the_log_is_kept() -> None:
    """It knows better what is wrong with the entry."""
    entry = log.Entry(StreamId(1, 0), 1, 1, poison="it has no field 'r'")

    assert poison.judge([entry]) == [entry]


@pytest.mark.parametrize(("takeovers", "limit"), [(0, 100), (1, 100), (2, 1), (7, 1)])
def test_caution_takes_entries_one_by_one(takeovers: int, limit: int) -> None:
    """From the second takeover at one cursor on, so that it shows which entry it is."""
    assert poison.batch_limit(owned(takeovers), 100) == limit


@pytest.mark.parametrize(("takeovers", "reason"), [(0, None), (4, None), (5, poison.DEADLY), (6, poison.DEADLY)])
def test_entry_is_condemned_at_the_fifth_takeover(takeovers: int, reason: str | None) -> None:
    """The one at the cursor, and no other."""
    condemned = poison.condemn(owned(takeovers), [GOOD, GOOD])

    assert [entry.poison for entry in condemned] == [reason, None]


def test_nothing_is_condemned_where_nothing_is() -> None:
    """And an entry that cannot be decoded keeps that reason."""
    assert poison.condemn(owned(9), []) == []
    assert poison.condemn(owned(9), [replace(GOOD, poison="torn")])[0].poison == "torn"
