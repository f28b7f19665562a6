"""The page that lists what a host can try, for the tests that hold it against what is tried."""

import re

from support.repository import ROOT

PAGE = (ROOT / "docs" / "explanation" / "cheats.md").read_text(encoding="utf-8")


def rows_under(heading: str) -> list[tuple[str, ...]]:
    """The table below a heading of the page, without its head."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)
    return [tuple(cell.strip() for cell in line.split(" | ")) for line in lines[1:] if not line.startswith("--")]
