import pytest
from hypothesis import given, strategies as st

from chatcluster.core import errors, ids
from chatcluster.core.ids import Room, RoomName, ShardEpoch, StreamId, UserId

USERS = st.integers(1, ids.MAX_INT).map(UserId)


@given(USERS, USERS)
def test_conversation_is_the_same_for_both(one: UserId, other: UserId) -> None:
    """The room of two users does not depend on who asks, and is taken apart again."""
    room = ids.conversation(one, other)

    assert room == ids.conversation(other, one)
    assert ids.parse_room(room) == Room("dm", (min(one, other), max(one, other)))


@given(USERS)
def test_rooms_are_taken_apart(number: UserId) -> None:
    """gochat's rooms and inboxes are parsed into what they were made of."""
    assert ids.parse_room(ids.room(number)) == Room("room", ())
    assert ids.gochat_room_id(ids.room(number)) == number
    assert ids.parse_room(ids.inbox(number)) == Room("user", (number,))


@pytest.mark.parametrize(
    "name",
    [
        *("", "room", "room:", "room:a b", "room:" + "x" * 65, "room:7\n", "room:ü", "user:0", "user:01"),
        *("user:2147483648", "user:-1", "dm:1", "dm:2:1", "dm:1:2:3", "dm:a:b", "group:7", "user:٣"),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    """What is no room's name is refused as invalid."""
    with pytest.raises(errors.Invalid):
        ids.parse_room(name)


@pytest.mark.parametrize("number", [0, -1, ids.MAX_INT + 1])
def test_room_numbers_out_of_range_are_refused(number: int) -> None:
    """gochat's rooms are 1 to 2^31-1."""
    with pytest.raises(errors.Invalid, match="out of range"):
        ids.room(number)


@pytest.mark.parametrize("name", ["room:lobby", "room:007", "room:2147483648", "dm:1:2", "user:7"])
def test_rooms_beyond_gochat_have_no_number(name: str) -> None:
    """A room that gochat's clients cannot name has the number 0."""
    assert ids.gochat_room_id(name) == 0


def test_only_its_users_read_a_private_room() -> None:
    """Open rooms are everybody's; conversations and inboxes are their users'."""
    assert ids.check_reader("room:7", UserId(3)).kind == "room"
    assert ids.check_reader("dm:3:42", UserId(42)).kind == "dm"
    for name in ("dm:4:42", "user:42"):
        with pytest.raises(errors.Forbidden):
            ids.check_reader(name, UserId(3))


def test_a_rooms_shard_never_changes() -> None:
    """The shard is crc32 of the name: pinned, because stored data stand where it says."""
    assert [ids.shard_of(name, 16) for name in ("room:1", "room:2", "dm:3:42", "user:42")] == [0, 10, 5, 6]


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_stream_ids_are_written_as_redis_writes_them(ms: int, seq: int) -> None:
    """A stream id comes back from its text, and sorts by time first."""
    assert StreamId.parse(str(StreamId(ms, seq))) == StreamId(ms, seq)
    assert ids.ZERO <= StreamId(ms, seq) < StreamId(ms + 1, 0)


def test_room_epoch_tells_its_shard_epoch() -> None:
    """A room's epoch is its shard's and a nonce."""
    assert ids.shard_epoch_of("0001700000000.abcdef12.00ff00") == ShardEpoch("0001700000000.abcdef12")


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\u200fb", "e\u0301", "\ud800"])
def test_wrong_user_names_are_refused(name: str) -> None:
    """Empty, long, invisible and denormalised names are refused."""
    with pytest.raises(errors.Invalid):
        ids.check_user_name(name)


@pytest.mark.parametrize("name", ["a", "Ünal", "小明", "x" * 64, "two words"])
def test_user_names_keep_their_form(name: str) -> None:
    """A good name is returned unchanged."""
    assert ids.check_user_name(name) == name


@pytest.mark.parametrize("message_id", ["", "a b", "x" * 129, "ü", "a\n"])
def test_wrong_message_ids_are_refused(message_id: str) -> None:
    """A message id is 1-128 visible ASCII characters."""
    with pytest.raises(errors.Invalid):
        ids.check_message_id(message_id)
    assert ids.check_message_id("0b9e-42") == "0b9e-42"


@given(st.text(max_size=80))
def test_any_text_is_a_room_or_invalid(name: str) -> None:
    """Parsing a name raises nothing but `Invalid`, and what it accepts it accepts for good."""
    try:
        parsed = ids.parse_room(name)
    except errors.Invalid:
        return

    assert ids.parse_room(RoomName(name)) == parsed
