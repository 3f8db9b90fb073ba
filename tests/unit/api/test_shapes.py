from chatcluster.api import shapes
from chatcluster.frames import parts


def test_a_secret_does_not_show_itself() -> None:
    """Whoever prints what came or goes prints no password, token or ticket."""
    secret = "hunter2"
    kept = [
        shapes.Credentials("ann", secret),
        shapes.Opened(secret, 1, parts.Person(1, "ann")),
        shapes.Ticket(secret, 1),
    ]

    assert not any(secret in repr(shape) for shape in kept)
