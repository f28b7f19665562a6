"""A page in every look: two sizes, dark and light; what a scheme cannot change is asked once a size.
It says what axe and the layout find amiss; the test judges."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "cloud" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]  # what a scheme can change; everything else is asked once a size
SIZES = {"desk": (1440, 900), "phone": (360, 780)}
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")


def amiss_in_every_look(page: Page) -> list[str]:
    """One line per violation, with the look in which it was found; empty when all is well. Loads the page anew."""
    told: list[str] = []
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.reload()  # a busy browser repaints bit by bit, and axe would see dark words on a light ground
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            page.add_script_tag(path=str(AXE))
            only = {"type": "tag", "values": RULES} if scheme == SCHEMES[0] else {"type": "rule", "values": COLOURS}
            told += [f"{size} {scheme}: {line}" for line in violations(page, only)]
            if scrolls_sideways(page):
                told.append(f"{size} {scheme}: scrolls sideways")
    return told


def violations(page: Page, only: dict[str, object]) -> list[str]:
    """What axe finds now."""
    found = page.evaluate("only => axe.run({runOnly: only, resultTypes: ['violations']})", only)
    return [f"{one['id']} {[node['html'][:140] for node in one['nodes'][:3]]}" for one in found["violations"]]


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
