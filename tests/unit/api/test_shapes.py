import msgspec

from chatcluster.api import shapes
from chatcluster.v1 import logic_pb2, types_pb2


def test_a_user_looks_the_same_wherever_it_comes_from() -> None:
    """As somebody's session, or in a room."""
    seen = {
        msgspec.json.encode(shapes.person(user))
        for user in (logic_pb2.User(id=3, name="é"), types_pb2.Member(user_id=3, user_name="é"))
    }

    assert seen == {'{"id":3,"name":"é"}'.encode()}


def test_a_position_is_epoch_and_offset() -> None:
    """Also that of a room in which nothing was ever said."""
    assert msgspec.to_builtins(shapes.position(types_pb2.Position())) == {"epoch": "", "offset": 0}


def test_a_secret_does_not_show_itself() -> None:
    """Whoever prints what came or goes prints no password, token or ticket."""
    secret = "hunter2"
    kept = [
        shapes.Credentials("ann", secret),
        shapes.Opened(secret, 1, shapes.Person(1, "ann")),
        shapes.Ticket(secret, 1),
    ]

    assert not any(secret in repr(shape) for shape in kept)
