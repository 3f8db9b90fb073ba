"""The figures of a load."""

from chatcluster.cli import bench
from chatcluster.cli.bench import Figures, Row


def test_times_are_summed_up_in_milliseconds() -> None:
    """The median, what 95 of 100 stay below, and the longest."""
    times = [each / 1000 for each in range(100, 0, -1)]

    assert bench.row("stored", times, 10.0) == Row("stored", 100, 10.0, 51.0, 96.0, 100.0)


def test_without_a_message_there_is_a_row_of_nothing() -> None:
    """Nothing is divided by it."""
    assert bench.row("stored", [], 10.0) == Row("stored", 0, 0.0, 0.0, 0.0, 0.0)


def test_a_table_has_both_kinds() -> None:
    """What was stored, and what was delivered."""
    assert [row.name for row in Figures([0.1], [0.2], 1.0).rows()] == ["stored", "delivered"]
