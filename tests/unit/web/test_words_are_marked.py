"""Every word that a template says to people goes through `_(...)`, and a catalog says it in another language."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import tallystick_cloud
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from jinja2 import Environment
from tallystick_cloud.http import locale

TEMPLATES = Path(tallystick_cloud.__file__).parent / "templates"
SAME_EVERYWHERE = {"CSV", "PDF", "XML", "EUR", "kWh", "claim.toml"}
SAID = ("aria-label", "title", "alt", "placeholder")
SILENT = ("script", "style", "code", "svg")
VALUE = "0"  # stands for what a template fills in
CLASS = re.compile(r"{% block main_class %}.*?{% endblock %}")
WORD = re.compile(r"[^\W\d_]{2,}(?:\.toml)?")


class Page(HTMLParser):
    """Collects what a reader of the page sees or hears."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in SILENT
        self.said += [value for name, value in attrs if name in SAID and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data)


def unmarked_in(source: str) -> list[str]:
    """Words that stand in a template as they are."""
    kept = []
    for _, kind, text in Environment(autoescape=True).lex(CLASS.sub("", source)):
        if kind == "data":
            kept.append(text)
        elif kind == "variable_end":
            kept.append(VALUE)
    page = Page()
    page.feed("".join(kept))
    page.close()
    return [word for text in page.said for word in WORD.findall(text) if word not in SAME_EVERYWHERE]


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_a_template_says_nothing_that_is_not_marked(path: Path) -> None:
    assert unmarked_in(path.read_text()) == []


def test_what_is_not_marked_is_seen() -> None:
    assert unmarked_in('<p title="Close">{{ _("Fine") }} all <code>run it</code></p>') == ["Close", "all"]
    assert unmarked_in('{% if a > 2 %}<b class="sheet">{{ a }} EUR</b>{% endif %}') == []


def test_a_catalog_is_used_by_whoever_wants_its_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/how-to/translate.md says: what pybabel finds in a template, translated, compiled and named."""
    page = TEMPLATES / "sign_in.html"
    found = [str(message) for _, message, _, _ in extract_from_file("jinja2", page, keywords={"_": None})]
    catalog = Catalog(locale="it")
    for number, message in enumerate(found):
        catalog.add(message, f"parola {number}")
    (tmp_path / "it" / "LC_MESSAGES").mkdir(parents=True)
    with (tmp_path / "it" / "LC_MESSAGES" / "messages.mo").open("wb") as file:
        write_mo(file, catalog)
    monkeypatch.setattr(locale, "CATALOGS", tmp_path)
    monkeypatch.setitem(locale.LOCALES, "it", "it")
    assert found
    assert locale.negotiate("de, it-CH;q=0.8") == "it"
    said = locale.Wording("it", ZoneInfo("UTC"))
    assert [said.gettext(message) for message in found] == [f"parola {number}" for number in range(len(found))]
    assert said.date(0).endswith("gen 1970")
    assert locale.Wording("en", ZoneInfo("UTC")).gettext(found[0]) == found[0]
