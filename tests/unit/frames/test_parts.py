import msgspec

from chatcluster.frames import parts
from chatcluster.v1 import logic_pb2, types_pb2


def test_a_user_looks_the_same_wherever_it_comes_from() -> None:
    """As somebody's session, or in a room."""
    seen = {
        msgspec.json.encode(parts.person(user))
        for user in (logic_pb2.User(id=3, name="é"), types_pb2.Member(user_id=3, user_name="é"))
    }

    assert seen == {'{"id":3,"name":"é"}'.encode()}


def test_a_position_is_epoch_and_offset() -> None:
    """Also that of a room in which nothing was ever said."""
    assert msgspec.to_builtins(parts.position(types_pb2.Position())) == {"epoch": "", "offset": 0}
