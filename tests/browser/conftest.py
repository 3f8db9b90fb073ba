"""What tests in browsers share."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from support import browser as browsers
from support.system import System


@pytest.fixture
async def browser(system: System) -> AsyncIterator[Browser]:
    """Yield a browser; the system's api tells its pages where the gateways are."""
    async with browsers.chromium() as found:
        await browsers.tell_gateways(system)
        yield found
