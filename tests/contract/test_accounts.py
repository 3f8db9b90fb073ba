"""What every accounts does: see accounts/accounts.py for the rules."""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import UserId
from support.stores import RedisStore, Store


def session(name: str) -> bytes:
    """What a token is stored by."""
    return hashlib.sha256(name.encode()).digest()


async def test_ids_count_from_one(store: Store) -> None:
    """And an account is found by name and id."""
    found = store.accounts()
    ann = await found.create("ann", "hash of ann")
    bob = await found.create("bob", "hash of bob")

    assert (ann.id, ann.name, ann.password_hash) == (1, "ann", "hash of ann")
    assert bob.id == 2
    assert await found.by_name("ann") == ann
    assert await found.by_name("bob") == bob
    assert [await found.name_of(UserId(number)) for number in (1, 2, 3)] == ["ann", "bob", None]


async def test_names_are_taken_as_they_are(store: Store) -> None:
    """Case, spaces and other scripts count."""
    found = store.accounts()
    names = ["Ann", "ann", "ann ", "a n n", "Ünïcode 😀", "1 2 3"]
    for name in names:
        await found.create(name, f"$argon2id$v=19$m=1,t=1,p=1$ {name}")

    assert [account.name for name in names if (account := await found.by_name(name))] == names
    assert [account.password_hash[-len(name) :] for name in names if (account := await found.by_name(name))] == names
    assert await found.by_name("ANN") is None


async def test_a_name_is_given_once(store: Store) -> None:
    """Of many who want it at once one gets it, and ids have no hole."""
    found = store.accounts()

    outcomes = await asyncio.gather(*(found.create("ann", f"hash {n}") for n in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, errors.NameTaken) for outcome in outcomes) == 9
    assert (await found.create("bob", "hash")).id == 2
    with pytest.raises(errors.NameTaken):
        await found.create("bob", "other")


async def test_creating_again_with_the_same_hash_is_a_repeat(store: Store) -> None:
    """The hash has a random salt: who sends the same one is the same attempt."""
    found = store.accounts()
    ann = await found.create("ann", "hash")

    assert await found.create("ann", "hash") == ann
    assert (await found.create("bob", "hash")).id == 2


async def test_a_hash_is_replaced_if_it_is_the_known_one(store: Store) -> None:
    """Not one that was replaced meanwhile."""
    found = store.accounts()
    ann = await found.create("ann", "old")

    await found.replace_hash(ann, "new")
    await found.replace_hash(ann, "late")

    assert await found.by_name("ann") == replace(ann, password_hash="new")
    assert await found.name_of(ann.id) == "ann"


async def test_a_session_is_open_until_it_is_revoked(store: Store) -> None:
    """Revoking tells what it was, once."""
    found = store.accounts()
    ann = await found.create("ann b", "hash")
    opened = await found.open_session(session("one"), ann, 60)

    assert (opened.user, opened.name) == (ann.id, "ann b")
    assert await found.session(session("one")) == opened
    assert await found.session(session("two")) is None
    assert await found.revoke(session("one")) == opened
    assert await found.revoke(session("one")) is None
    assert await found.session(session("one")) is None


async def test_a_session_ends_by_itself(store: Store) -> None:
    """After its time."""
    found = store.accounts()
    ann = await found.create("ann", "hash")
    short = await found.open_session(session("short"), ann, 0.2)
    long = await found.open_session(session("long"), ann, 60)
    assert 59_000 < long.expires_ms - short.expires_ms <= 60_500

    await store.pass_time(0.2)

    assert await found.session(session("short")) is None
    assert await found.revoke(session("short")) is None
    assert await found.session(session("long")) == long


async def test_a_user_may_have_several_sessions(store: Store) -> None:
    """To revoke one leaves the others."""
    found = store.accounts()
    ann = await found.create("ann", "hash")
    await found.open_session(session("one"), ann, 60)
    await found.open_session(session("two"), ann, 60)

    await found.revoke(session("one"))

    assert await found.session(session("two"))


async def test_ended_sessions_are_told(store: Store) -> None:
    """Of many, in the order that was asked in: the unknown and the revoked."""
    found = store.accounts()
    ann = await found.create("ann", "hash")
    everything = [session(f"s{number}") for number in range(100)]
    for one in everything[::2]:
        await found.open_session(one, ann, 60)
    await found.revoke(everything[0])

    assert await found.ended(everything) == sorted([everything[0], *everything[1::2]], key=everything.index)
    assert await found.ended([]) == []


async def test_a_bucket_holds_so_much(store: Store) -> None:
    """It refills in time; other actions and addresses have their own."""
    found = store.accounts()

    assert [await found.allow("login", "::1", 1, 3) for _ in range(5)] == [True] * 3 + [False] * 2
    assert await found.allow("login", "::2", 1, 3)
    assert await found.allow("register", "::1", 1, 3)
    await store.pass_time(1.1)
    assert await found.allow("login", "::1", 1, 3)
    assert not await found.allow("login", "::1", 1, 3)


async def test_a_bucket_never_overflows(store: Store) -> None:
    """However long one stays away."""
    found = store.accounts()
    assert await found.allow("login", "::1", 2, 2)
    await store.pass_time(0.6)

    assert [await found.allow("login", "::1", 2, 2) for _ in range(3)] == [True, True, False]


async def test_the_largest_user_id_is_a_name_of_nobody(store: Store) -> None:
    """Any id may be asked for."""
    assert await store.accounts().name_of(UserId(ids.MAX_INT)) is None


async def test_open_sessions_are_listed(store: Store) -> None:
    """The newest first, each with its times; not those of others, nor those that are over."""
    found = store.accounts()
    ann, bob = await found.create("ann", "hash"), await found.create("bob", "hash")
    assert await found.listed(ann.id) == []
    opened = {}
    for name, ttl in [("old", 60), ("new", 30), ("short", 1)]:
        opened[session(name)] = await found.open_session(session(name), ann, ttl)
        await store.pass_time(0.01)
    await found.open_session(session("bob's"), bob, 60)

    listed = await found.listed(ann.id)
    assert [each.session for each in listed] == [session("short"), session("new"), session("old")]
    assert [each.expires_ms for each in listed] == [opened[each.session].expires_ms for each in listed]
    assert all(
        0 <= each.expires_ms - each.created_ms - ttl <= 10_000
        for each, ttl in zip(listed, (1_000, 30_000, 60_000), strict=True)
    )

    await store.pass_time(1)
    await found.revoke(session("old"))
    assert [each.session for each in await found.listed(ann.id)] == [session("new")]


async def test_opening_a_session_again_lists_it_once(store: Store) -> None:
    """It is the repetition of a step whose outcome was unknown."""
    found = store.accounts()
    ann = await found.create("ann", "hash")
    await found.open_session(session("one"), ann, 60)
    first = await found.listed(ann.id)
    await store.pass_time(0.02)
    await found.open_session(session("one"), ann, 60)

    assert [each.created_ms for each in await found.listed(ann.id)] == [each.created_ms for each in first]


async def test_the_list_of_sessions_has_an_end(redis_store: RedisStore) -> None:
    """What is over leaves the list when another session is opened, and the list goes with its last session."""
    found = redis_store.accounts()
    ann = await found.create("ann", "hash")
    key = f"{redis_store.prefix}:sessions-of:{ann.id}"
    await found.open_session(session("one"), ann, 60)
    await found.open_session(session("two"), ann, 0.05)
    assert 60_000 < await redis_store.raw.pttl(key) <= 120_000

    await redis_store.pass_time(0.06)
    await found.open_session(session("three"), ann, 10)

    assert {*await redis_store.raw.hkeys(key)} == {session("one"), session("three")}
    assert await redis_store.raw.pttl(key) > 110_000


async def test_a_ticket_serves_once(store: Store) -> None:
    """Of many who try at once, one gets its session."""
    found = store.accounts()
    ends = await found.issue_ticket(session("ticket"), session("one"), 60)
    later = await found.issue_ticket(session("other ticket"), session("two"), 120)

    taken = await asyncio.gather(*(found.redeem_ticket(session("ticket")) for _ in range(10)))

    assert [one for one in taken if one] == [session("one")]
    assert await found.redeem_ticket(session("ticket")) is None
    assert await found.redeem_ticket(session("unknown")) is None
    assert await found.redeem_ticket(session("other ticket")) == session("two")
    assert 59_000 < later - ends < 61_000


async def test_a_ticket_ends_by_itself(store: Store) -> None:
    """After its time it stands for nothing."""
    found = store.accounts()
    await found.issue_ticket(session("ticket"), session("one"), 0.1)

    await store.pass_time(0.1)

    assert await found.redeem_ticket(session("ticket")) is None
