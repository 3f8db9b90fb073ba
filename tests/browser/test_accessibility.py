"""The chat page for people who hear it, enlarge it, or have no mouse, as far as axe-core can tell."""

import itertools
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, ViewportSize

from support import axe
from support.browser import Person
from support.canaries import PASSWORD
from support.system import System

DESK, PHONE = ViewportSize(width=1200, height=760), ViewportSize(width=390, height=780)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TOO_LONG = "很" * 4_000
"""More bytes than a message may have, in fewer characters: it is refused after it was sent."""


class Judge:
    """Looks at pages in every look, and remembers what is wrong."""

    def __init__(self, pictures: Path) -> None:
        self._pictures = pictures
        self.flaws: list[str] = []

    async def look(self, page: Page, state: str) -> None:
        """Judge a page in the state that it is in."""
        for scheme, size in itertools.product(SCHEMES, (DESK, PHONE)):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await page.set_viewport_size(size)
            await page.screenshot(path=self._pictures / f"{state} {scheme} {size['width']}.png")
            self.flaws += [f"{state}, {scheme}, {size['width']}: {flaw}" for flaw in await axe.flaws(page)]
        await page.set_viewport_size(DESK)


async def test_every_state_of_the_page_is_accessible(system: System, browser: Browser, tmp_path: Path) -> None:
    """Before and after logging in, with all that can be open, unread, under way or refused: nothing is wrong."""
    judge = Judge(tmp_path)
    door = await (await browser.new_context(locale="en-US")).new_page()
    await door.goto(system.api_url)
    await door.wait_for_selector("#door:not([hidden])")
    await judge.look(door, "door")
    await door.fill("input[name=name]", "nobody")
    await door.fill("input[name=password]", PASSWORD)
    await door.click("button[name=login]")
    await door.wait_for_selector("#door-error:not(:empty)")
    await judge.look(door, "refused at the door")

    ada = await Person.arrive(browser, system.api_url, "ada")
    await judge.look(ada.page, "empty room")
    zoe = await Person.arrive(browser, system.api_url, "zoe")
    await ada.say("Hello, everybody!")
    await zoe.say("Hi Ada! 你好")
    await ada.page.wait_for_selector(".message.mine .fate:text-is('read')")
    await zoe.page.type("#text", "I am")
    await ada.page.wait_for_selector("#typing:not(:empty)")
    await judge.look(ada.page, "room")
    await ada.page.click("#open-people")
    await judge.look(ada.page, "people")
    await ada.page.click("#members button:text-is('zoe')")
    await ada.say("psst")
    await zoe.page.wait_for_selector("#conversations .badge:text-is('1')")
    await judge.look(zoe.page, "unread")
    await zoe.page.evaluate("document.querySelector('#open-places').click()")
    await judge.look(zoe.page, "drawer")
    await ada.say(TOO_LONG)
    await ada.page.wait_for_selector(".message.failed .again")
    await judge.look(ada.page, "refused message")
    await ada.page.click(".places .language")
    await judge.look(ada.page, "Chinese")
    for gateway in system.connect:
        await gateway.kill()
    await ada.say("Is anybody there?")
    await ada.page.wait_for_selector("#chat[data-state=offline] #state:not(:empty)")
    await judge.look(ada.page, "offline")

    assert judge.flaws == [], "\n".join(judge.flaws)


@pytest.mark.parametrize(
    ("rule", "defect"),
    [
        ("button-name", "document.querySelector('button[name=login]').textContent = ''"),
        ("label", "document.querySelector('input[name=name]').closest('label').querySelector('span').remove()"),
        ("color-contrast", "document.querySelector('#enter p').style.color = '#aaa'"),
        ("html-has-lang", "document.documentElement.lang = ''"),
        ("page-has-heading-one", "document.querySelector('#door h1').setAttribute('role', 'none')"),
    ],
)
async def test_a_defect_is_found(system: System, browser: Browser, rule: str, defect: str) -> None:
    """A page that somebody spoils is judged by the rule that it breaks: the judge is no rubber stamp."""
    page = await (await browser.new_context(locale="en-US", color_scheme="light")).new_page()
    await page.goto(system.api_url)
    await page.wait_for_selector("#door:not([hidden])")
    await page.evaluate(defect)

    assert [flaw.partition(" ")[0] for flaw in await axe.flaws(page)] == [rule]
