from chatcluster.core import ids
from chatcluster.presence import presence, view
from chatcluster.v1 import logic_pb2, types_pb2 as pb

ROOM = ids.room(7)


def report(*users: int, named: int | None = None, count: int | None = None) -> logic_pb2.GatewayPresence:
    """What a gateway says of its users, of whom it names the first."""
    members = [pb.Member(user_id=user, user_name=f"u{user}") for user in users[:named]]
    return logic_pb2.GatewayPresence(
        room=ROOM, count=len(users) if count is None else count, user_ids=users, members=members
    )


def test_nobody_says_anything() -> None:
    """The room is empty."""
    assert view.combine(ROOM, []) == pb.RoomPresence(room=ROOM)


def test_users_are_counted_once() -> None:
    """However many gateways they are on; members rise by id."""
    found = view.combine(ROOM, [report(5, 9), report(3, 9)])

    assert found.count == 3
    assert [(member.user_id, member.user_name) for member in found.members] == [(3, "u3"), (5, "u5"), (9, "u9")]


def test_members_are_capped() -> None:
    """The lowest ids are shown."""
    found = view.combine(ROOM, [report(*range(101, 301)), report(*range(1, 151))])

    assert found.count == 300
    assert [member.user_id for member in found.members] == list(range(1, presence.MEMBERS_SHOWN + 1))


def test_the_count_is_exact_up_to_a_bound() -> None:
    """Up to it users are told apart; beyond it each gateway's count stands for itself."""
    half = presence.EXACT_COUNT // 2
    first, second = report(*range(1, half + 2), named=0), report(*range(2, half * 2 + 1), named=0)
    third = report(*range(2, half * 2 + 2), named=0)

    assert view.combine(ROOM, [first, second]).count == presence.EXACT_COUNT
    assert view.combine(ROOM, [first, third]).count == first.count + third.count


def test_who_lists_nobody_is_believed() -> None:
    """A gateway with too many users says only how many they are."""
    assert view.combine(ROOM, [report(count=20_000), report(1, 2)]).count == 20_002


def test_a_digest_stands_for_what_is_shown() -> None:
    """Count, members and their names; an empty room has none."""
    found = view.combine(ROOM, [report(1, 2)])

    assert view.digest(found) == view.digest(view.combine(ROOM, [report(2), report(1)]))
    assert view.digest(found) != view.digest(view.combine(ROOM, [report(1, 3)]))
    assert view.digest(found) != view.digest(pb.RoomPresence(room=ROOM, count=2))
    assert view.digest(pb.RoomPresence(room=ROOM)) == ""
