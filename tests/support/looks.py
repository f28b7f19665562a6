"""A page in every look: two sizes, dark and light; what a scheme cannot change is asked once a size.
It says what axe and the layout find amiss; the test judges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import Browser, Page, ViewportSize

if TYPE_CHECKING:
    from support.money_server import MoneyServer

AXE = Path(__file__).parents[2] / "cloud" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]  # what a scheme can change; everything else is asked once a size
SIZES: dict[str, ViewportSize] = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 360, "height": 780}}
LOOKS: dict[Literal["dark", "light"], tuple[str, str]] = {"dark": ("desk", "phone"), "light": ("phone", "desk")}
AGO = re.compile(r"\d+(\.\d+)? (s|min|h|d) ago")
LONG = [
    ("Coop", "Wohnungsbaugenossenschaft Lindenhof-S\u00fcd eingetragene Genossenschaft"),
    ("Bank", "Donaudampfschifffahrtsgesellschaftsbank"),
    ("Repairer", "Elektroinstallationsmeisterbetrieb Kofler"),
    ("Washes", "Waschmaschinennutzungsvertrag Lindenhof"),
    ("Anna", "Annamaria Wolfeschlegelsteinhausen-Oberhuber"),
]
CUT_OFF = """[...document.querySelectorAll("main :is(.amount, .chip, .btn, .field)")]
    .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth)
    .map(one => one.textContent.trim().slice(0, 60))"""
"""A panel hides what hangs over its edge, so the page does not scroll, and an amount is half there."""


def amiss_in_every_look(page: Page) -> list[str]:
    """One line per violation, with the look in which it was found; empty when all is well. Loads the page anew for each
    scheme, once in either size, and looks at the other as at a window that somebody resized."""
    told: list[str] = []
    for scheme, sizes in LOOKS.items():
        page.set_viewport_size(SIZES[sizes[0]])
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.reload()  # a busy browser repaints bit by bit, and axe would see dark words on a light ground
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.add_script_tag(path=str(AXE))
        only = {"type": "tag", "values": RULES} if scheme == "dark" else {"type": "rule", "values": COLOURS}
        for size in sizes:
            page.set_viewport_size(SIZES[size])
            told += [f"{size} {scheme}: {line}" for line in violations(page, only)]
            if scrolls_sideways(page):
                told.append(f"{size} {scheme}: scrolls sideways")
    return told


def amiss_in_one_visit(browser: Browser, server: MoneyServer, persona: str, path: str) -> list[str]:
    """The same, what the console said, and whether the page says something else without script (but for how long ago
    something was): in one visit, because every second of a browser counts."""
    context = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 900})
    server.sign_in(context, persona)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    page.goto(server.url + path)
    shown = page.locator("main").inner_text()
    told += amiss_in_every_look(page)
    context.close()
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    server.sign_in(plain, persona)
    page = plain.new_page()
    answer = page.goto(server.url + path)
    if answer is None or answer.status != 200:
        told.append(f"{path} is not there")
    if AGO.sub("", page.locator("main").inner_text()) != AGO.sub("", shown):
        told.append("says something else without script")
    plain.close()
    return told


@contextmanager
def watched(browser: Browser, server: MoneyServer, persona: str) -> Iterator[tuple[Page, list[str]]]:
    """A page of somebody, and what its console said and what its scripts threw."""
    context = browser.new_context(bypass_csp=True, color_scheme="dark", reduced_motion="reduce")
    server.sign_in(context, persona)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    yield page, told
    context.close()


def amiss_as_it_stands(page: Page) -> list[str]:
    """What axe and the layout find amiss in both sizes, with everything unfolded. Loads nothing, so that the answer to
    a form can be asked too; the scheme stays as it is, because a busy browser repaints bit by bit."""
    told: list[str] = []
    page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
    page.add_script_tag(path=str(AXE))
    for size, wide in SIZES.items():
        page.set_viewport_size(wide)
        told += [f"{size}: {line}" for line in violations(page, {"type": "tag", "values": RULES})]
        if scrolls_sideways(page):
            told.append(f"{size}: scrolls sideways")
        told += [f"{size}: cut off: {text}" for text in page.evaluate(CUT_OFF)]
    return told


def write_long_names(page: Page) -> None:
    """Everybody and everything of the test's communities gets as long a name as people really have."""
    page.evaluate(
        "names => { const all = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);"
        " while (all.nextNode()) for (const [short, long] of names)"
        " all.currentNode.data = all.currentNode.data.replaceAll(short, long); }",
        LONG,
    )


def violations(page: Page, only: dict[str, object]) -> list[str]:
    """What axe finds now."""
    found = page.evaluate("only => axe.run({runOnly: only, resultTypes: ['violations']})", only)
    return [f"{one['id']} {[node['html'][:140] for node in one['nodes'][:3]]}" for one in found["violations"]]


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
