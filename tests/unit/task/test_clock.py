import pytest

from chatcluster.task.clock import STEP, RunningClock


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    """The time."""
    return Time()


def test_it_counts_while_the_process_runs(time: Time) -> None:
    """Looks that come on time, or a little late, lose nothing."""
    clock = RunningClock(time)
    for late in (0, 0.1, 0.2):
        time.now += STEP + late
        clock.look()
    time.now += 0.1

    assert clock() == pytest.approx(3 * STEP + 0.4)


def test_it_stands_while_the_process_does(time: Time) -> None:
    """A stop of any length counts as two steps, whoever looks first afterwards."""
    clock = RunningClock(time)
    time.now += 60
    assert clock() == 2 * STEP

    clock.look()
    time.now += 60
    clock.look()

    assert clock() == 4 * STEP


def test_it_never_goes_back(time: Time) -> None:
    """Neither by a look nor by the time after it."""
    clock, seen = RunningClock(time), []
    for passed in (0.1, 3, 0, 0.3, 9, 0.2):
        time.now += passed
        seen.append(clock())
        clock.look()
        seen.append(clock())

    assert seen == sorted(seen)
