from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given, strategies as st

from chatcluster.directory.slices import Endpoint
from chatcluster.directory.view import View

A, B, C = (Endpoint(f"pod-{name}", f"10.0.0.{number}:6900") for number, name in enumerate("abc", 1))
A_ELSEWHERE = Endpoint(A.pod, "10.0.0.99:6900")
KEEP = 20


def view(*endpoints: Endpoint) -> View:
    """A view of one slice, said at time 0."""
    found = View(KEEP)
    found.replace({"one": frozenset(endpoints)}, 0)
    return found


def test_slices_are_merged() -> None:
    """A Service has as many slices as its controller likes; an endpoint may stand in two of them for a moment."""
    found = view(A, B)
    found.put("two", frozenset({B, C}), 1)

    assert found.addresses(1) == {A.address, B.address, C.address}

    found.put("one", frozenset({A}), 2)
    assert found.addresses(100) == {A.address, B.address, C.address}


def test_an_endpoint_that_goes_is_kept_for_a_while() -> None:
    """For 20 seconds, and who waits for changes knows when they are over."""
    found = view(A, B)
    found.put("one", frozenset({A}), 5)

    assert found.addresses(24) == {A.address, B.address}
    assert found.expires_in(24) == 1
    assert found.addresses(25) == {A.address}
    assert found.expires_in(25) is None


def test_one_that_comes_back_begins_anew() -> None:
    """What was kept and is mentioned again is kept as long as ever when it goes again."""
    found = view(A, B)
    for now, endpoints in ((5, {A}), (15, {A, B}), (30, {A})):
        found.put("one", frozenset(endpoints), now)

    assert found.addresses(49) == {A.address, B.address}
    assert found.addresses(50) == {A.address}


def test_a_pod_that_moved_is_not_kept_where_it_was() -> None:
    """The same UID at another address: that pod's sandbox was made anew, and nobody is at the old one."""
    found = view(A, B)
    found.put("one", frozenset({A_ELSEWHERE, B}), 5)

    assert found.addresses(5) == {A_ELSEWHERE.address, B.address}


def test_the_last_ones_stay_until_the_api_server_has_spoken_again() -> None:
    """A watch that breaks between a pod's end and its successor's beginning leaves nobody with nothing."""
    found = view(A)
    found.put("one", frozenset(), 5)

    assert found.addresses(1_000_000) == {A.address}

    found.heard(24)
    assert found.addresses(1_000_000) == {A.address}
    found.heard(25)
    assert found.addresses(25) == frozenset()


def test_a_list_replaces_all_slices() -> None:
    """What a list does not hold has gone, and is kept as if it had been deleted."""
    found = view(A)
    found.replace({"two": frozenset({B})}, 5)

    assert found.addresses(24) == {A.address, B.address}
    assert found.addresses(25) == {B.address}


ENDPOINTS = st.frozensets(st.builds(Endpoint, st.sampled_from("pqr"), st.sampled_from("123")))
SLICES = st.sampled_from(["one", "two", "three"])
WORDS = st.one_of(
    st.tuples(st.just("put"), SLICES, ENDPOINTS),
    st.tuples(st.just("replace"), st.dictionaries(SLICES, ENDPOINTS)),
    st.tuples(st.just("heard")),
    st.tuples(st.just("nothing")),
)


@dataclass
class Model:
    """All that was ever said, and what follows from it by the rules; nothing is kept or forgotten on the way."""

    slices: dict[str, frozenset[Endpoint]] = field(default_factory=dict)
    said: list[tuple[int, frozenset[Endpoint]]] = field(default_factory=list)

    def say(self, slices: Mapping[str, frozenset[Endpoint]], now: int) -> None:
        """The API server said that these are all."""
        self.slices = dict(slices)
        self.said.append((now, frozenset().union(*slices.values())))

    def addresses(self, now: int) -> set[str]:
        """What has to be known."""
        mentioned = set(self.said[-1][1]) if self.said else set()
        gone = {endpoint: self._gone_since(endpoint) for _, known in self.said for endpoint in known - mentioned}
        kept = {e for e, since in gone.items() if since is not None and now < since + KEEP}
        last = {e for e, since in gone.items() if since is not None and self.said[-1][0] < since + KEEP}
        return {endpoint.address for endpoint in mentioned | kept or last}

    def _gone_since(self, endpoint: Endpoint) -> int | None:
        """When it was left out for the last time; None: since then its pod was seen elsewhere."""
        last = max(index for index, (_, known) in enumerate(self.said) if endpoint in known)
        after = self.said[last + 1 :]
        return None if any(endpoint.pod in {e.pod for e in known} for _, known in after) else after[0][0]


@given(st.lists(st.tuples(st.integers(0, 25), WORDS), max_size=40))
def test_whatever_is_said_in_whatever_order(history: list[tuple[int, tuple[object, ...]]]) -> None:
    """A view knows what the slices hold in the end and what went less than 20 s ago; silence never empties it; and what
    a list says is the same as what events say.
    """
    found, model, now = View(KEEP), Model(), 0
    for pause, word in history:
        before, now = found.addresses(now), now + pause
        assert bool(found.addresses(now)) == bool(before)
        tell(found, model, word, now)
        assert found.addresses(now) == model.addresses(now)
        assert found.addresses(now + KEEP - 1) == model.addresses(now + KEEP - 1)

    found.heard(now + KEEP)
    assert found.addresses(now + KEEP) == {e.address for known in model.slices.values() for e in known}
    assert found.expires_in(now + KEEP) is None


def tell(found: View, model: Model, word: tuple[object, ...], now: int) -> None:
    """Say one word to both."""
    match word:
        case ("put", str(name), frozenset(endpoints)):
            found.put(name, endpoints, now)
            model.say({**model.slices, name: endpoints}, now)
        case ("replace", dict(slices)):
            found.replace(slices, now)
            model.say(slices, now)
        case ("heard",):
            found.heard(now)
            model.say(model.slices, now)
