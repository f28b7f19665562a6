"""Reads a bank's XML strictly: size, no document type, one known message, and every refusal with the element's path.

It never resolves an entity and never guesses a missing element.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree as ET

from .errors import BankInUnread

FILE_BYTES_MAX = 20 * 2**20  # a statement with 20,000 entries has about 15 MB
TEXT_CHARS_MAX = 500  # the longest text of these messages that is read: 500 characters of AddtlNtryInf
_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,5}))?")  # 18 digits, 5 of them fractions (ActiveCurrencyAndAmount)
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
CENTS_MAX = (2**63 - 1) // 10**7  # the books hold 64 bits of nano: 9,223,372,036.85
YEARS = range(2000, 2100)


@dataclass(frozen=True, slots=True)
class Node:
    """One element and how a person finds it: `BkToCstmrStmt/Stmt[1]/Ntry[3]`."""

    element: ET.Element
    path: str
    namespace: str

    def all(self, tag: str) -> Iterator["Node"]:
        """Children of that name, in order."""
        for number, found in enumerate(self.element.findall(f"{{{self.namespace}}}{tag}"), 1):
            yield Node(found, f"{self.path}/{tag}[{number}]", self.namespace)

    def find(self, *tags: str) -> "Node | None":
        """The only element at that path below, None when there is none; raises BankInUnread for two."""
        here: Node = self
        for tag in tags:
            found = here.element.findall(f"{{{self.namespace}}}{tag}")
            if len(found) > 1:
                raise BankInUnread(f"{here.path}/{tag}", f"stands {len(found)} times; one was expected")
            if not found:
                return None
            here = Node(found[0], f"{here.path}/{tag}", self.namespace)
        return here

    def need(self, *tags: str) -> "Node":
        found = self.find(*tags)
        if found is None:
            raise BankInUnread(f"{self.path}/{'/'.join(tags)}", "is missing; ask the bank for a complete file")
        return found

    def text(self, *tags: str) -> str | None:
        found = self.find(*tags)
        return None if found is None else found.content()

    def content(self) -> str:
        """Its text without blanks around it; raises BankInUnread when there is none or too much."""
        text = unicodedata.normalize("NFC", (self.element.text or "").strip())
        if not text:
            raise BankInUnread(self.path, "is empty")
        if len(text) > TEXT_CHARS_MAX:
            raise BankInUnread(self.path, f"has {len(text)} characters; the limit is {TEXT_CHARS_MAX}")
        return text

    def cents(self, currency: str) -> int:
        """An amount in cents, never below 0."""
        text, told = self.content(), self.element.get("Ccy")
        found = _AMOUNT.fullmatch(text)
        if told != currency:
            raise BankInUnread(self.path, f"is in {told or 'no currency'}; this account is in {currency}")
        if found is None:
            raise BankInUnread(self.path, f"is {text!r}; expected an amount such as 12.50")
        fraction = (found[2] or "").rstrip("0")
        if len(fraction) > 2:
            raise BankInUnread(self.path, f"is {text}; banks move whole cents")
        cents = int(found[1]) * 100 + int(fraction.ljust(2, "0"))
        if cents > CENTS_MAX:
            raise BankInUnread(self.path, f"is {text}; the books hold amounts up to 9223372036.85")
        return cents

    def day(self) -> date:
        """`Dt`, or the day of `DtTm`."""
        found = self.find("Dt") or self.need("DtTm")
        text = found.content()
        fits = _DAY.fullmatch(text if found.path.endswith("/Dt") else text[:10])
        try:
            if fits is None:
                raise ValueError
            made = date.fromisoformat(fits[1])
            if made.year not in YEARS:
                raise ValueError
            return made
        except ValueError:
            raise BankInUnread(found.path, f"is {text!r}; expected a day such as 2026-11-30") from None

    def one_of(self, *choices: str) -> str:
        text = self.content()
        if text not in choices:
            raise BankInUnread(self.path, f"is {text!r}; expected {' or '.join(choices)}")
        return text


def read(data: bytes, messages: Sequence[str]) -> tuple[str, Node]:
    """Which of the `messages` (such as "camt.053.001.08") it is, and its Document. Raises BankInUnread."""
    if len(data) > FILE_BYTES_MAX:
        raise BankInUnread("file", f"has {len(data)} bytes; the limit is {FILE_BYTES_MAX}. Ask for one file per day")
    if b"<!" in data.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise BankInUnread("file", "declares a document type or entities; no bank needs that")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BankInUnread("file", f"is not UTF-8 at byte {error.start}; ask the bank for UTF-8") from None
    try:
        root = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1))
    except ET.ParseError as error:
        line, column = error.position
        raise BankInUnread(
            "file", f"is not XML at line {line}, column {column + 1}; ask the bank for camt.053 or pain.002"
        ) from None
    except RecursionError:
        raise BankInUnread("file", "is nested too deeply") from None
    return _known(root, messages)


def _known(root: ET.Element, messages: Sequence[str]) -> tuple[str, Node]:
    namespace, _, tag = root.tag.removeprefix("{").rpartition("}")
    message = namespace.rpartition(":")[2]
    if tag != "Document" or message not in messages:
        seen = message or root.tag[:80]
        raise BankInUnread("file", f"is {seen!r}; expected {' or '.join(messages)}. Ask the bank for that format")
    return message, Node(root, "Document", namespace)
