"""Whether people who hear, enlarge or tab through a page can use it, as far as a program can tell: axe-core's rules.

https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md
"""

from importlib import resources

from playwright.async_api import Page

_PROGRAM = (resources.files("axe_playwright_python") / "axe.min.js").read_text()


async def flaws(page: Page) -> list[str]:
    """Return what is wrong with the page as it now stands, grave or not: each rule that it breaks, where, and why."""
    await page.evaluate(_PROGRAM)
    found = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({node['impact']}): {node['html']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
