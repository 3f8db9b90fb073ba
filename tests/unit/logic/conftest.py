"""What logic's unit tests share."""

from collections.abc import Iterator

import pytest

from chatcluster.logic import passwords
from support.domain import CHEAP, World


@pytest.fixture
def world() -> World:
    """The domain on fresh ports in memory."""
    return World()


@pytest.fixture
def cheap() -> Iterator[passwords.Passwords]:
    """Passwords at the least cost."""
    found = passwords.Passwords(CHEAP)
    yield found
    found.close()
