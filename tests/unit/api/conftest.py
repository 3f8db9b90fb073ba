"""What the tests of api share: an api on an empty world."""

from collections.abc import AsyncIterator

import pytest

from support import api as support


@pytest.fixture
async def api() -> AsyncIterator[support.Api]:
    """An api over logic's domain in memory."""
    async with support.running() as running:
        yield running
