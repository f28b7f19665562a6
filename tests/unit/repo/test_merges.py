"""No page was landed with both sides of a conflict in it: in code every tool would say so, in a page nothing does."""

from __future__ import annotations

import re

import pytest
from support.repository import ROOT

CONFLICT = re.compile(r"^(<{7}|>{7}|={7}$)", re.MULTILINE)


@pytest.mark.parametrize("folder", [".", "docs"])
def test_no_page_holds_both_sides_of_a_conflict(folder: str) -> None:
    pages = sorted((ROOT / folder).glob("*.md" if folder == "." else "**/*.md"))
    assert len(pages) > 3
    assert [page.name for page in pages if CONFLICT.search(page.read_text())] == []
