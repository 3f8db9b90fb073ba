"""The directory over Kubernetes against a stand-in for the API server: what it knows, and asks when all fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chatcluster.directory import apiserver
from chatcluster.directory.kubernetes import LIST_EVERY, WATCH_SECONDS
from support import apiserver as stand_in
from support.apiserver import (
    GONE,
    PATH,
    SELECTOR,
    SERVICE,
    TOKEN,
    Fault,
    ScriptedApiserver,
    endpoint_slice,
)
from support.eventually import eventually
from support.following import KEEP, SILENCE, Followed, counted, following


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """Return the folder of a service account."""
    (tmp_path / "token").write_text(TOKEN)
    return tmp_path


@pytest.fixture
async def server() -> AsyncIterator[ScriptedApiserver]:
    """Yield a stand-in with one slice of two pods."""
    async with stand_in.running() as server:
        server.put(endpoint_slice("logic-1", "10.0.0.1", "10.0.0.2"))
        yield server


@pytest.fixture
async def followed(server: ScriptedApiserver, account: Path) -> AsyncIterator[Followed]:
    """Yield a directory that has listed and watches."""
    async with following(Followed(server, account)) as followed:
        await followed.knows("10.0.0.1", "10.0.0.2")
        await followed.watch()
        yield followed


async def test_what_is_asked_for(followed: Followed) -> None:
    """One list in pages, and a watch from its version on, with bookmarks, that ends after some minutes by itself."""
    listed, watched = followed.server.asked

    assert listed == {"labelSelector": SELECTOR, "limit": "500"}
    assert watched["resourceVersion"] == "101"
    assert watched["allowWatchBookmarks"] == "true"
    assert int(watched["timeoutSeconds"]) == WATCH_SECONDS[0]


async def test_changes_are_followed(followed: Followed) -> None:
    """Slices that come, change and go are known at once; what they lose is kept for a while, and told when it goes."""
    changes = followed.directory.changes()
    assert len(await anext(changes)) == 2
    followed.server.put(endpoint_slice("logic-2", "10.0.0.3"))
    assert len(await asyncio.wait_for(anext(changes), 10)) == 3
    followed.server.remove("logic-2")
    followed.server.put(endpoint_slice("logic-1", "10.0.0.1"))

    assert await asyncio.wait_for(anext(changes), 10) == {"10.0.0.1:6900"}
    assert len(followed.server.asked) == 2


async def test_those_that_stay_are_followed(server: ScriptedApiserver, account: Path) -> None:
    """Who judges endpoints knows those that do not serve, too, and forgets at once who terminates."""
    async with following(Followed(server, account, staying=True)) as followed:
        await followed.knows("10.0.0.1", "10.0.0.2")
        server.put(endpoint_slice("logic-1", "10.0.0.1", "10.0.0.2", ready=False, serving=False))
        server.put(endpoint_slice("logic-2", "10.0.0.3", serving=False))
        await followed.knows("10.0.0.1", "10.0.0.2", "10.0.0.3")

        server.put(endpoint_slice("logic-1", "10.0.0.1", "10.0.0.2", serving=True, terminating=True))

        await followed.knows("10.0.0.3")


async def test_the_last_ones_go_when_the_api_server_stands_by_it(followed: Followed) -> None:
    """A Service that is scaled to nothing has no endpoints in the end: a bookmark after the 20 s says that it is so."""
    followed.server.put(endpoint_slice("logic-1"))
    await eventually(lambda: followed.directory._view._kept)
    followed.clock.ahead += KEEP
    assert len(followed.directory.endpoints()) == 2
    followed.server.bookmark()

    await followed.knows()


async def test_a_list_comes_in_pages(server: ScriptedApiserver, account: Path) -> None:
    """A Service of many slices is put together from all pages."""
    server.page = 2
    for number in range(3, 8):
        server.put(endpoint_slice(f"logic-{number}", f"10.0.0.{number}"))

    async with following(Followed(server, account)) as followed:
        await followed.knows("10.0.0.1", "10.0.0.2", *(f"10.0.0.{number}" for number in range(3, 8)))

    assert [parameters.get("continue") for parameters in server.lists] == [None, "2", "4"]


async def test_readiness_waits_for_the_first_list(server: ScriptedApiserver, account: Path) -> None:
    """A program is not ready before it knows where its servers are; why, stands in /readyz."""
    server.list_faults.extend([Fault(status=403, body=b'{"message":"forbidden: cannot list"}')] * 2)
    server.watch_faults.extend([Fault(status=500)] * 10)

    async with following(Followed(server, account)) as followed:
        await eventually(lambda: "cannot list" in (followed.dependency.problem or ""))
        assert not followed.readiness.ready
        await eventually(lambda: followed.readiness.ready)

    assert followed.directory.endpoints() == {"10.0.0.1:6900", "10.0.0.2:6900"}


async def test_a_watch_that_ends_goes_on_from_the_last_version(followed: Followed) -> None:
    """What a bookmark said counts; what happened between two watches is not missed, and nothing is listed again."""
    followed.server.bookmark()
    (await followed.watch()).end()
    await eventually(lambda: not followed.server.watches)
    followed.server.put(endpoint_slice("logic-2", "10.0.0.3"))

    await followed.knows("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert followed.server.watched_from == ["101", "102"]
    assert len(followed.server.lists) == 1


async def test_a_cut_in_the_middle_of_an_event_loses_nothing(followed: Followed) -> None:
    """Half an event is none: it comes again on the next watch."""
    before = counted("errors_total", reason="cut")
    watch = await followed.watch()
    watch.write(b'{"type":"MODIFIED","object":{"metadata":{"name":"logic-1"')
    watch.cut()
    await eventually(lambda: not followed.server.watches)
    followed.server.put(endpoint_slice("logic-2", "10.0.0.3"))

    await followed.knows("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert (len(followed.server.lists), followed.server.watched_from) == (1, ["101", "101"])
    assert counted("errors_total", reason="cut") == before + 1


async def test_an_end_in_the_middle_of_an_event_loses_nothing(followed: Followed) -> None:
    """Likewise when the answer ends in order, as a proxy would end it."""
    watch = await followed.watch()
    watch.write(b'{"type":"MODIFIED"')
    watch.end()
    await eventually(lambda: len(followed.server.watched_from) == 2)

    assert (len(followed.server.lists), followed.server.watched_from) == (1, ["101", "101"])


async def test_a_version_that_is_gone_is_listed_anew(followed: Followed) -> None:
    """410 as the answer to a watch: what was missed shows in the list."""
    before = counted("lists_total", reason="gone")
    followed.server.forgotten = 10_000
    watch = await followed.watch()
    followed.server.slices = {"logic-9": endpoint_slice("logic-9", "10.0.0.9")}
    watch.cut()
    await eventually(lambda: len(followed.server.lists) >= 2)
    followed.server.forgotten = 0

    await followed.knows("10.0.0.9")
    assert counted("lists_total", reason="gone") > before


async def test_a_version_that_goes_while_it_is_watched_is_listed_anew(followed: Followed) -> None:
    """410 as an event, which is how most API servers tell it."""
    before = counted("lists_total", reason="gone")
    watch = await followed.watch()
    followed.server.slices = {"logic-9": endpoint_slice("logic-9", "10.0.0.9")}
    watch.say("ERROR", GONE)

    await followed.knows("10.0.0.9")
    assert counted("lists_total", reason="gone") == before + 1


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        (b'{"type":"ERROR","object":{"code":500,"message":"etcd"}}\n', "error"),
        (b"<html>not found</html>\n", "unreadable"),
        (b'{"type":"MODIFIED","object":{"metadata":{"name":"logic-1"},"endpoints":7}}\n', "unreadable"),
        (b'{"type":"MODIFIED","object":"' + b"x" * (apiserver.MAX_LINE_BYTES + 1), "too_large"),
    ],
    ids=["error", "garbage", "mistyped", "huge"],
)
async def test_events_that_cannot_be_read_are_made_up_for_by_a_list(
    followed: Followed, piece: bytes, reason: str
) -> None:
    """What the event wanted to say would be missed for ever, since the version behind it is never reached."""
    errors, lists = counted("errors_total", reason=reason), counted("lists_total", reason=reason)
    watch = await followed.watch()
    followed.server.slices = {"logic-9": endpoint_slice("logic-9", "10.0.0.9")}
    watch.write(piece)

    await followed.knows("10.0.0.9")
    assert counted("errors_total", reason=reason) == errors + 1
    assert counted("lists_total", reason=reason) == lists + 1


async def test_a_stalled_watch_is_noticed(followed: Followed) -> None:
    """A connection that stays open and silent is given up, and the next goes on from the same version."""
    before = counted("errors_total", reason="stalled")
    await eventually(lambda: len(followed.server.watched_from) >= 2)

    assert followed.server.watched_from[:2] == ["101", "101"]
    assert len(followed.server.lists) == 1
    assert counted("errors_total", reason="stalled") > before
    assert followed.dependency.problem is None, "perhaps there was nothing to say"
    assert followed.directory.endpoints() == {"10.0.0.1:6900", "10.0.0.2:6900"}


async def test_a_watch_with_bookmarks_is_not_stalled(followed: Followed) -> None:
    """Nothing happens for long, and the API server says so: the watch stays."""
    watch = await followed.watch()
    loop = asyncio.get_running_loop()
    until = loop.time() + 3 * SILENCE

    def bookmarked() -> bool:
        followed.server.bookmark()
        return loop.time() > until

    await eventually(bookmarked, every=SILENCE / 10)
    assert followed.server.watches == [watch]


async def test_an_api_server_that_is_away_takes_nothing_away(followed: Followed) -> None:
    """While connections are refused everything stays known, also what was on its way out; then it goes on."""
    server = followed.server
    before = counted("errors_total", reason="connect")
    server.put(endpoint_slice("logic-1"))
    await eventually(lambda: followed.directory._view._kept)
    port = server.port
    await server.stop()
    await eventually(lambda: counted("errors_total", reason="connect") >= before + 2)
    followed.clock.ahead += 1000 * KEEP
    assert followed.directory.endpoints() == {"10.0.0.1:6900", "10.0.0.2:6900"}
    assert followed.readiness.ready
    assert "connect" in (followed.dependency.problem or "")
    await server.start(port)
    server.put(endpoint_slice("logic-2", "10.0.0.3"))

    await followed.knows("10.0.0.3")
    await eventually(lambda: followed.dependency.problem is None)
    assert len(server.lists) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=500), "status"),
        (Fault(status=429, body=b"slow down"), "status"),
        (Fault(status=403), "refused"),
        (Fault(status=307, location=f"{PATH}?labelSelector={SELECTOR}&limit=500"), "status"),
        (Fault(body=b'{"metadata":{"resourceVersion":"1"},"items":', cut=True), "cut"),
        (Fault(body=b"[]"), "unreadable"),
        (Fault(body=b'{"items":[]}'), "unreadable"),
        (Fault(body=b"x" * (apiserver.MAX_PAGE_BYTES + 1)), "too_large"),
    ],
    ids=["500", "429", "403", "elsewhere", "cut", "garbage", "no-version", "huge"],
)
async def test_a_list_that_fails_takes_nothing_away(followed: Followed, fault: Fault, reason: str) -> None:
    """What was known stays, and the list is repeated until it succeeds."""
    before = counted("errors_total", reason=reason)
    watch = await followed.watch()
    followed.server.list_faults.extend([fault, fault])
    followed.server.slices = {"logic-9": endpoint_slice("logic-9", "10.0.0.9")}
    watch.say("ERROR", GONE)
    await eventually(lambda: counted("errors_total", reason=reason) == before + 2)
    assert followed.directory.endpoints() >= {"10.0.0.1:6900", "10.0.0.2:6900"}

    await followed.knows("10.0.0.9")
    assert len(followed.server.lists) == 4


async def test_a_list_without_end_is_given_up(server: ScriptedApiserver, account: Path) -> None:
    """More pages than a Service can fill are an error, not a loop."""
    server.page = 0

    async with following(Followed(server, account)) as followed:
        await eventually(lambda: "too_large" in (followed.dependency.problem or ""))

    assert len(server.lists) >= apiserver.MAX_PAGES


async def test_a_silent_list_is_given_up(account: Path) -> None:
    """An API server that accepts connections and answers nothing is one that is away."""
    released = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    silent = await asyncio.start_server(never, "127.0.0.1", 0)
    server = ScriptedApiserver()
    server.url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with silent, following(Followed(server, account)) as followed:
        await eventually(lambda: "silent" in (followed.dependency.problem or ""))
        released.set()


async def test_a_token_that_rotates_is_read_again(followed: Followed) -> None:
    """The next request carries what the file holds by then; an old token is refused without harm."""
    followed.server.tokens = {"the-next-token"}
    (await followed.watch()).end()
    await eventually(lambda: "refused" in (followed.dependency.problem or ""))
    (followed.account / "token").write_text("the-next-token")
    followed.server.put(endpoint_slice("logic-2", "10.0.0.3"))

    await followed.knows("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert len(followed.server.lists) == 1


async def test_everything_is_listed_from_time_to_time(followed: Followed) -> None:
    """Whatever was missed without anybody noticing is found after half an hour."""
    before = counted("lists_total", reason="age")
    followed.server.slices["logic-9"] = endpoint_slice("logic-9", "10.0.0.9")
    followed.clock.ahead += LIST_EVERY
    (await followed.watch()).end()

    await followed.knows("10.0.0.1", "10.0.0.2", "10.0.0.9")
    assert counted("lists_total", reason="age") == before + 1


async def test_metrics_tell_what_is_known_and_how_old_it_is(followed: Followed) -> None:
    """The endpoints that are known, and the time since the API server said anything."""
    followed.clock.ahead += 50

    assert counted("endpoints", service=SERVICE) == 2
    assert counted("watch_age_seconds", service=SERVICE) >= 50
    (await followed.watch()).say("BOOKMARK", {"metadata": {"resourceVersion": "102"}})
    await eventually(lambda: counted("watch_age_seconds", service=SERVICE) < 10)


@pytest.mark.parametrize("chance", [lambda: 0.0, lambda: 1.0], ids=["shortest", "longest"])
async def test_pauses_grow_up_to_a_bound(account: Path, chance: Callable[[], float]) -> None:
    """Nobody hammers an API server that is down: the pause doubles, with jitter, up to half a minute."""
    directory = Followed(ScriptedApiserver(), account).directory
    directory._chance = chance
    pauses = [directory._pause(lasted=1) for _ in range(40)]

    assert pauses[:3] == [0.5 * (0.5 + 0.5 * chance()) * 2**n for n in range(3)]
    assert max(pauses) == pauses[-1] == 30 * (0.5 + 0.5 * chance())
    assert directory._pause(lasted=70) == pauses[0], "an attempt that lasted needs no rest"


async def test_a_watch_that_has_something_to_say_ends_the_waiting(followed: Followed) -> None:
    """After hours of failures the next pause is short again, once the API server is back and speaks."""
    followed.directory._fruitless = 30
    followed.server.bookmark()

    await eventually(lambda: followed.directory._fruitless == 0)
