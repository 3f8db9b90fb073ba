import pytest
from hypothesis import given, strategies as st

from chatcluster.connect.deadlines import NOWHERE, Deadlines


class Item:
    """Something with a deadline."""

    def __init__(self) -> None:
        self.slot = NOWHERE


@given(st.lists(st.floats(0, 100), max_size=30), st.sampled_from([0.1, 1.0, 7.0]))
def test_items_are_due_once_and_not_before_their_time(dues: list[float], resolution: float) -> None:
    """Each is swept within two steps of its deadline, and never again."""
    deadlines = Deadlines[Item](resolution, 0.0)
    items = [Item() for _ in dues]
    for item, due in zip(items, dues, strict=True):
        deadlines.set(item, due)
    swept: dict[Item, float] = {}
    for step in range(1, int(100 / resolution) + 3):
        now = step * resolution
        for item in deadlines.sweep(now):
            assert item not in swept
            swept[item] = now

    assert len(swept) == len(items)
    for item, due in zip(items, dues, strict=True):
        assert due <= swept[item] < due + 2.001 * resolution  # the test's own clock is rounded


def test_item_has_one_deadline() -> None:
    """A new one replaces the old one, sooner or later; a cleared one never comes."""
    deadlines = Deadlines[Item](1.0, 1000.0)
    later, sooner, cleared = Item(), Item(), Item()
    for item in (later, sooner, cleared):
        deadlines.set(item, 1010.0)
    deadlines.set(later, 1020.0)
    deadlines.set(sooner, 1005.0)
    deadlines.clear(cleared)
    deadlines.clear(cleared)

    assert deadlines.sweep(1006.0) == [sooner]
    assert deadlines.sweep(1015.0) == []
    assert deadlines.sweep(1100.0) == [later]


@pytest.mark.parametrize("due", [-5.0, 0.0, 999.0, 1000.0])
def test_deadline_in_the_past_is_due_at_the_next_sweep(due: float) -> None:
    """Nothing is lost by being late."""
    deadlines = Deadlines[Item](1.0, 0.0)
    deadlines.sweep(1000.0)
    item = Item()
    deadlines.set(item, due)

    assert deadlines.sweep(1001.5) == [item]
