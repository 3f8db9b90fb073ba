from dataclasses import dataclass, field

from chatcluster.connect.logic import Logic, Opened
from chatcluster.connect.sessions import Credential, Sessions
from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect
from support.domain import session_of
from support.eventually import eventually
from support.gateway import Rig


@dataclass
class Client:
    """A connection that waits to be authenticated."""

    wanted: Credential
    is_waiting: bool = True
    users: list[str] = field(default_factory=list)
    is_rejected: bool = False
    closed: Disconnect | None = None

    def authenticated(self, opened: Opened) -> None:
        self.users.append(opened.user.name)
        self.is_waiting = False

    def rejected(self) -> None:
        self.is_rejected = True
        self.is_waiting = False

    def close(self, disconnect: Disconnect) -> None:
        self.closed = disconnect
        self.is_waiting = False


def shown(name: str) -> Credential:
    """The session that a user's token stands for."""
    return Credential(session_of(name))


async def test_session_is_known_or_not() -> None:
    """A valid one gives the user; an unknown one closes as a bad session."""
    async with Rig().running() as rig:
        await rig.token("ann")
        good, bad = Client(shown("ann")), Client(shown("nobody"))
        rig.sessions.ask(good)
        rig.sessions.ask(bad)
        await eventually(lambda: not good.is_waiting and not bad.is_waiting)

        assert (good.users, good.is_rejected) == (["ann"], False)
        assert (bad.users, bad.is_rejected) == ([], True)


async def test_question_is_repeated_until_logic_answers() -> None:
    """Neither busy nor unknown nor away says anything about the session."""
    async with Rig().running() as rig:
        await rig.token("ann")
        client = Client(shown("ann"))
        rig.logic.failure = errors.Unavailable()
        rig.sessions.ask(client)
        await eventually(lambda: rig.logic.times("CheckSession") > 2)
        rig.logic.failure = None
        await eventually(lambda: client.users)

        assert client.closed is None


async def test_answer_about_a_former_wish_does_not_count() -> None:
    """Bad or good, it is about another session than the one that is wanted now."""
    async with Rig().running() as rig:
        await rig.token("ann")
        client = Client(shown("nobody"))
        rig.logic.answering.clear()
        rig.sessions.ask(client)
        await eventually(lambda: rig.logic.times("CheckSession"))
        client.wanted = shown("ann")
        rig.logic.answering.set()
        await eventually(lambda: client.users)

        assert client.closed is None


async def test_client_that_left_is_not_asked_for() -> None:
    """Whoever closed while waiting in line costs no call, and hears of no answer."""
    async with Rig().running() as rig:
        await rig.token("ann")
        gone, leaving = Client(shown("ann"), is_waiting=False), Client(shown("ann"))
        rig.logic.answering.clear()
        rig.sessions.ask(gone)
        rig.sessions.ask(leaving)
        await eventually(lambda: rig.logic.times("CheckSession"))
        leaving.is_waiting = False
        rig.logic.answering.set()
        await eventually(rig.sessions._line.empty)

        assert rig.logic.times("CheckSession") == 1
        assert (gone.users, leaving.users, leaving.closed) == ([], [], None)


async def test_line_is_bounded() -> None:
    """One more than the gateway can have connections is told to try again."""
    rig = Rig()
    sessions = Sessions(Logic(rig.logic), rig.membership, 2, rig.sessions._random)
    clients = [Client(Credential(b"s")) for _ in range(3)]
    for client in clients:
        sessions.ask(client)

    assert [client.closed for client in clients] == [None, None, disconnects.TRY_AGAIN]


async def test_sessions_are_checked_when_their_inbox_is_registered() -> None:
    """One question for all of a user's sessions, repeated until logic answers; rooms are nobody's."""
    async with Rig().running() as rig:
        client = await rig.member("tcp", await rig.token("ann"), 1)
        await eventually(lambda: rig.logic.times("CheckSessions") == 1)
        rig.sessions.registered([RoomName("room:1"), RoomName("user:77")])
        await rig.world.accounts.revoke(session_of("ann"))
        rig.logic.failure = errors.Unavailable()
        rig.sessions.registered([RoomName("user:1")])
        await eventually(lambda: rig.logic.times("CheckSessions") > 2)
        rig.logic.failure = None
        await eventually(lambda: client.code)

        asked = [request.sessions for method, request in rig.logic.asked if method == "CheckSessions"]
        assert all(sessions == [session_of("ann")] for sessions in asked)
