"""The chat page in real browsers, on a real system: what people see of it."""

from pathlib import Path

from playwright.async_api import Browser, expect

from support.browser import Person, talk
from support.system import System

PHONE = {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark", "is_mobile": True, "has_touch": True}


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

    await ada.talk_to("zoe")
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


async def test_gateways_die_in_mid_conversation(system: System, browser: Browser) -> None:
    """One after the other: what is said meanwhile waits visibly, and in the end everybody sees it once and in order."""
    ada = await Person.arrive(browser, system.api_url, "ada")
    zoe = await Person.arrive(browser, system.api_url, "zoe")
    for gateway in system.connect:
        await talk([ada, zoe], gateway.kill)
        await gateway.start()

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


async def test_markup_stays_text_wherever_it_comes_from(system: System, browser: Browser) -> None:
    """In names, in messages, in who is typing, and as a room's name: no element is made of it, and nothing runs."""
    markup = '<img src=x onerror="window.hit = 1">'
    eve = await Person.arrive(browser, system.api_url, markup)
    ada = await Person.arrive(browser, system.api_url, "ada")
    await eve.say(markup)
    await ada.sees(markup)
    await ada.page.wait_for_selector(f".from:text-is('{markup}')")
    await eve.page.type("#text", "<b>")
    await expect(ada.page.locator("#typing")).to_contain_text(markup)

    await ada.talk_to(markup)
    await ada.page.wait_for_selector("#conversations button")
    await ada.say(markup)
    await eve.page.click("#conversations button")
    await eve.sees(markup)
    assert markup in await ada.page.inner_text("#title")

    await ada.page.evaluate("document.querySelector('#new-room input').removeAttribute('pattern')")
    async with ada.page.expect_response(lambda answer: answer.request.method == "PUT") as kept:
        await ada.page.fill("#new-room input", markup)
        await ada.page.press("#new-room input", "Enter")
    assert (await kept.value).status >= 400

    for person in (ada, eve):
        assert await person.page.locator("#rooms li").count() == 1
        assert await person.page.locator(":is(img, b)").count() == 0
        assert await person.page.evaluate("window.hit") is None
        assert person.errors == []
