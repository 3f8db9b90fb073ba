import pytest

from chatcluster.connect.chain import SILENCE, Chain, Proof, Seen
from chatcluster.core.ids import Incarnation, ShardEpoch, StreamId

OLD, EPOCH, NEW = (ShardEpoch(f"000000000000{number}.aaaaaaaa") for number in range(3))
ME = Incarnation("gw/1")


def at(number: int) -> StreamId:
    """A dispatch id."""
    return StreamId(number, 0)


@pytest.fixture
def chain() -> Chain:
    """A chain that was begun by a registration at 10, after which the hub has given out five numbers."""
    chain = Chain()
    chain.registered(EPOCH, at(10), asked=1, number=5, now=0)
    return chain


def stretch(chain: Chain) -> tuple[StreamId | None, StreamId | None]:
    """Between which ids nothing was left out."""
    return chain.since, chain.last


def test_first_registration_begins_the_chain() -> None:
    """From the newest dispatch entry of that moment on; who was registered before that has to prove itself again."""
    chain = Chain()

    assert chain.registered(EPOCH, at(10), asked=1, number=1, now=0) is Seen.BROKEN
    assert stretch(chain) == (at(10), at(10))


def test_later_registration_changes_nothing(chain: Chain) -> None:
    """It says what was newest in dispatch, and not that this gateway received it."""
    assert chain.registered(EPOCH, at(50), asked=2, number=5, now=1) is Seen.ON
    assert stretch(chain) == (at(10), at(10))


def test_batch_lengthens_the_chain(chain: Chain) -> None:
    """Also one that begins before the end, and one that ends before it takes nothing away."""
    seen = [
        chain.batch(EPOCH, at(10), at(12), number=5, now=1),
        chain.batch(EPOCH, at(8), at(15), number=5, now=1),
        chain.batch(EPOCH, at(8), at(11), number=5, now=1),
    ]

    assert seen == [Seen.ON] * 3
    assert stretch(chain) == (at(10), at(15))


def test_batch_that_begins_later_breaks_the_chain(chain: Chain) -> None:
    """Between its beginning and the last end something was left out: only what comes after is trusted."""
    assert chain.batch(EPOCH, at(11), at(12), number=5, now=1) is Seen.BROKEN
    assert stretch(chain) == (at(11), at(12))


def test_first_batch_begins_the_chain() -> None:
    """Without a registration before it, that is a break like any other."""
    chain = Chain()

    assert chain.batch(EPOCH, at(3), at(4), number=0, now=1) is Seen.BROKEN
    assert stretch(chain) == (at(3), at(4))


def test_higher_epoch_breaks_the_chain(chain: Chain) -> None:
    """Whether a batch or a registration tells of it: ids of two epochs do not compare."""
    assert chain.batch(NEW, at(2), at(4), number=5, now=1) is Seen.BROKEN
    assert (chain.epoch, *stretch(chain)) == (NEW, at(2), at(4))

    newest = ShardEpoch("0000000000009.aaaaaaaa")
    assert chain.registered(newest, at(1), asked=6, number=6, now=1) is Seen.BROKEN
    assert (chain.epoch, *stretch(chain)) == (newest, at(1), at(1))


def test_lower_epoch_is_stale(chain: Chain) -> None:
    """A late owner's batch, and a late answer to what was asked before the epoch was heard of."""
    assert chain.batch(OLD, at(0), at(99), number=5, now=1) is Seen.STALE
    assert chain.registered(OLD, at(99), asked=5, number=5, now=1) is Seen.STALE
    assert (chain.epoch, *stretch(chain)) == (EPOCH, at(10), at(10))


def test_server_that_went_back_is_believed(chain: Chain) -> None:
    """What was asked after the higher epoch was heard of, and is answered in a lower one, is how things are now."""
    assert chain.registered(OLD, at(7), asked=6, number=6, now=1) is Seen.BROKEN
    assert (chain.epoch, *stretch(chain)) == (OLD, at(7), at(7))


@pytest.mark.parametrize(
    ("proof", "is_proven"),
    [
        (Proof(ME, EPOCH, at(10)), True),
        (Proof(ME, EPOCH, at(11)), True),
        (Proof(ME, EPOCH, at(9)), False),
        (Proof(ME, OLD, at(11)), False),
        (Proof(ME, NEW, at(11)), False),
        (Proof(Incarnation("gw/0"), EPOCH, at(11)), False),
        (None, False),
    ],
)
def test_proof_is_of_this_incarnation_and_epoch_and_not_before_the_chain(
    chain: Chain, proof: Proof | None, is_proven: bool
) -> None:
    """All three, or the room may have missed something."""
    assert chain.proves(proof, ME) is is_proven


def test_nothing_is_proven_while_nothing_is_known(chain: Chain) -> None:
    """What was received can be forgotten; the epoch stays, so that a late batch of an older one is still stale."""
    chain.forget()

    assert not chain.proves(Proof(ME, EPOCH, at(99)), ME)
    assert chain.batch(OLD, at(0), at(99), number=5, now=1) is Seen.STALE


def test_silence_is_over_twelve_seconds_without_a_batch(chain: Chain) -> None:
    """An empty batch is a sign of life too, a stale one is none, and who knows nothing waits for nothing."""
    late = Chain()
    late.registered(EPOCH, at(10), asked=1, number=1, now=100)
    assert not late.is_silent(SILENCE + 100)
    assert (chain.is_silent(SILENCE), chain.is_silent(SILENCE + 0.1)) == (False, True)
    chain.batch(EPOCH, at(10), at(10), number=5, now=10)
    chain.batch(OLD, at(10), at(10), number=5, now=20)
    assert (chain.is_silent(SILENCE + 10), chain.is_silent(SILENCE + 10.1)) == (False, True)

    chain.forget()
    assert not chain.is_silent(1000)
