"""The chat page in real browsers, on a real system: what people see of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from support import browser as browsers
from support.browser import Person
from support.system import System

PHONE = {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark", "is_mobile": True, "has_touch": True}


@pytest.fixture
async def browser(system: System) -> AsyncIterator[Browser]:
    """Yield a browser; the system's api tells its pages where the gateways are."""
    async with browsers.chromium() as found:
        await browsers.tell_gateways(system)
        yield found


async def test_two_people_chat(system: System, browser: Browser, tmp_path: Path) -> None:
    """In a room and privately, each in the right order; markup stays text, and a reload shows it all again."""
    ada = await Person.arrive(browser, system.api_url, "ada", viewport={"width": 1200, "height": 760})
    zoe = await Person.arrive(browser, system.api_url, "zoe", **PHONE)
    evil = '<img src=x onerror="document.title=1"> & <b>bold</b>'
    await ada.say("Hello, everybody!")
    await zoe.sees("Hello, everybody!")
    await zoe.say("Hi Ada! 你好")
    await ada.sees("Hello, everybody!", "Hi Ada! 你好")
    await ada.page.wait_for_selector(".message.mine .fate:text-is('read')")
    await ada.page.screenshot(path=tmp_path / "room.png")
    await zoe.page.screenshot(path=tmp_path / "phone.png")
    await zoe.say(evil)
    for person in (ada, zoe):
        await person.sees("Hello, everybody!", "Hi Ada! 你好", evil)

    await ada.page.click("#open-people")
    await ada.page.click("#members button:text-is('zoe')")
    await ada.say("psst")
    await ada.sees("psst")
    await zoe.page.wait_for_selector("#conversations .badge:text-is('1')", state="attached")
    await zoe.page.click("#open-places")
    await zoe.page.click("#conversations li button")
    await zoe.sees("psst")
    await zoe.page.wait_for_selector("#conversations .badge", state="detached")

    await ada.page.reload()
    await ada.is_ready()
    await ada.sees("Hello, everybody!", "Hi Ada! 你好", evil)
    assert await ada.page.title() == "ChatCluster"
    assert ada.errors == zoe.errors == []


async def test_a_gateway_dies_in_mid_conversation(system: System, browser: Browser) -> None:
    """What was sent meanwhile waits visibly, and in the end everybody sees each message once and in order."""
    ada = await Person.arrive(browser, system.api_url, "ada")
    zoe = await Person.arrive(browser, system.api_url, "zoe")
    texts = []
    for number in range(12):
        if number in {4, 8}:
            await system.connect[number // 8].kill()
        if number in {6, 10}:
            await system.connect[number // 10].start()
        texts.append(f"message {number}")
        await ada.say(texts[-1])
    for person in (ada, zoe):
        await person.sees(*texts)

    assert ada.errors == zoe.errors == []


async def test_logging_out_is_for_every_tab(system: System, browser: Browser) -> None:
    """The session is over: in the tab beside it too, and after a reload."""
    ada = await Person.arrive(browser, system.api_url, "ada")
    other = await ada.page.context.new_page()
    await other.goto(system.api_url)
    await other.wait_for_selector("#chat[data-state=ready]")
    await ada.page.click("#logout")
    for page in (ada.page, other):
        await page.wait_for_selector("#door:not([hidden])")
    await other.reload()

    await other.wait_for_selector("#door:not([hidden])")
    assert ada.errors == []


async def test_rooms_and_languages_by_keyboard(system: System, browser: Browser) -> None:
    """A room is made by its name and left again; the page speaks Chinese when asked to."""
    ada = await Person.arrive(browser, system.api_url, "ada")
    await ada.page.fill("#new-room input", "garden")
    await ada.page.press("#new-room input", "Enter")
    await ada.page.wait_for_selector("#title:text-is('garden')")
    await ada.say("roses")
    await ada.sees("roses")
    await ada.page.press("#text", "Alt+ArrowUp")
    await ada.page.wait_for_selector("#title:text-is('lobby')")
    await ada.page.press("#text", "Alt+ArrowDown")
    await ada.sees("roses")
    await ada.page.click("#leave")
    await ada.page.wait_for_selector("#title:text-is('lobby')")
    await ada.page.click(".places .language")

    await ada.page.wait_for_selector("html[lang=zh] #compose button:text-is('发送')")
    assert await ada.page.locator("#rooms li").count() == 1
