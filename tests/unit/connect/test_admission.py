from chatcluster.connect import admission
from chatcluster.connect.admission import Admission
from chatcluster.core.rates import Rate
from support.gateway import limits


def test_connections_are_bounded() -> None:
    """The one over the limit is refused, and each that leaves makes room."""
    door = Admission(limits(connections=2))
    refusals = [door.arrive(0.0) for _ in range(3)]
    door.leave()
    door.leave()

    assert refusals == [None, None, admission.CONNECTIONS]
    assert door.arrive(0.0) is None


def test_far_too_many_are_not_even_told() -> None:
    """Refused connections cost something too, so their number is bounded."""
    door = Admission(limits(connections=1))
    for _ in range(1 + admission.SURPLUS):
        door.arrive(0.0)
    before = door.overrun
    door.arrive(0.0)

    assert not before
    assert door.overrun


def test_rate_of_connecting_is_bounded() -> None:
    """A storm is refused above the rate; refused attempts do not use it up."""
    door = Admission(limits(connecting=Rate(10, 2)))
    storm = [door.arrive(0.0) for _ in range(5)]
    later = [door.arrive(0.1) for _ in range(2)]

    assert storm == [None, None, *[admission.RATE] * 3]
    assert later == [None, admission.RATE]


def test_address_is_bounded_when_that_is_set() -> None:
    """One address, or one customer's IPv6 network, has so many; others are not touched."""
    door = Admission(limits(per_address=1))
    taken = [door.occupy("203.0.113.7"), door.occupy("2001:db8::1")]
    refused = [door.occupy("203.0.113.7"), door.occupy("2001:db8::2")]
    other = door.occupy("203.0.113.8")
    door.vacate("203.0.113.7")

    assert taken == [None, None]
    assert refused == [admission.ADDRESS, admission.ADDRESS]
    assert other is None
    assert door.occupy("203.0.113.7") is None


def test_address_has_no_limit_by_default() -> None:
    """Carriers put thousands of users behind one address."""
    assert not Admission(limits()).limits_addresses
    assert Admission(limits(per_address=1)).limits_addresses
