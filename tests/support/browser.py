"""People with browsers: Debian's Chromium, driven by Playwright, on a running system's page.

What they wait for is said by `expect`, never by a script of their own: the page's policy lets nobody evaluate text.
"""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from playwright.async_api import Browser, Page, WebSocket, async_playwright, expect

from support import canaries, tiers
from support.asyncapi import Conversation
from support.system import System

PASSWORD = canaries.PASSWORD
_EACH = 6
"""So many things each person says in a talk."""
_BACK_WITHIN = 60_000
"""Milliseconds for a page to have come back and caught up, whatever happened to its gateway."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Chromium as long as the block; skip the test loudly where there is none."""
    program = shutil.which("chromium")
    if program is None:
        tiers.missing("no chromium", "make test-deps, as root on Debian")
    async with async_playwright() as playwright:
        # Root has no sandbox of its own to put it in; it sees nothing but the system under test.
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def tell_gateways(system: System) -> None:
    """Have the api tell its clients where the gateways are, as `make up` does."""
    (api,) = system.api
    urls = ",".join(system.websocket_url(number) for number in range(len(system.connect)))
    api.environ = {**api.environ, "CHATCLUSTER_API_WEBSOCKET_URL": urls}
    await api.restart()


@dataclass
class Person:
    """Somebody in front of the page."""

    name: str
    page: Page
    errors: list[str]
    """What the page's scripts ran into, and what the browser kept them from."""

    @classmethod
    async def arrive(cls, browser: Browser, url: str, name: str, **device: Any) -> Self:
        """Open the page and register."""
        context = await browser.new_context(**{"locale": "en-US", **device})
        context.on("page", lambda page: page.on("websocket", _hold_to_the_document))
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Content Security Policy" in line.text else None)
        await page.goto(url)
        await page.fill("input[name=name]", name)
        await page.fill("input[name=password]", PASSWORD)
        await page.click("button[name=register]")
        person = cls(name, page, errors)
        await person.is_ready()
        return person

    async def is_ready(self) -> None:
        """Wait until the page hears its rooms."""
        await self.page.wait_for_selector(
            "#chat[data-state=ready] #rooms li button", state="attached", timeout=_BACK_WITHIN
        )
        await expect(self.page.locator("#count")).to_have_text(re.compile("[1-9]"), timeout=_BACK_WITHIN)

    async def say(self, text: str) -> None:
        """Write a message and send it with the keyboard."""
        await self.page.fill("#text", text)
        await self.page.press("#text", "Enter")

    async def talk_to(self, name: str) -> None:
        """Open the private conversation with somebody who is in the room."""
        await self.page.click("#open-people")
        await self.page.click(f"#members button:text-is('{name}')")

    async def sees(self, *texts: str) -> None:
        """Wait until the log shows exactly these messages, in this order."""
        try:
            await expect(self.page.locator(".text")).to_have_text(list(texts), timeout=_BACK_WITHIN)
        except AssertionError as exc:
            raise AssertionError(f"{self.name} sees {await self.shown()}, not {list(texts)}") from exc

    async def shown(self) -> list[str]:
        """The texts of the log."""
        return await self.page.locator(".text").all_inner_texts()


async def talk(people: Sequence[Person], meanwhile: Callable[[], Awaitable[None]]) -> list[str]:
    """Have people in one place say things in turn, with something done in the midst of it.

    In the end all that was said is stored, and everybody sees all of it once and in one order, which keeps the order of
    each person's own words. Returns what they see.
    """
    first, *_ = people
    before = await first.shown()
    said = [(person, f"{person.name}'s {number}, after {len(before)}") for number in range(_EACH) for person in people]
    for number, (person, text) in enumerate(said):
        if number == len(said) // 2:
            await meanwhile()
        await person.say(text)

    for person in people:
        await expect(person.page.locator(".mine .fate", has_text="sending")).to_have_count(0, timeout=_BACK_WITHIN)
    await expect(first.page.locator(".text")).to_have_count(len(before) + len(said), timeout=_BACK_WITHIN)
    shown = await first.shown()
    for person in people:
        await person.sees(*shown)
        own = [text for speaker, text in said if speaker is person]
        assert [text for text in shown if text in own] == own
    return shown


def _hold_to_the_document(socket: WebSocket) -> None:
    """What a page and a gateway say to each other is v1, as the AsyncAPI document has it."""
    conversation = Conversation()
    socket.on("framesent", conversation.asked)
    socket.on("framereceived", conversation.told)
