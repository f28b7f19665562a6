"""What an issuer says once about its documents: who it is, its tax, its series, who its buyers and payees are (TOML).

It never guesses a tax: without a rate a document says that there is none, and why.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from babel import Locale

from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.locale import DEFAULT
from tallystick_cloud.town.table import Table, read_text

from .model import Address, Identity
from .tax import Category, Treatment

VERSION = 1
DUE_DAYS_MAX = 365
RATE_MAX = 5_000  # 50 %: above every tax on sales there is
NOT_SAID = "No tax is charged: the issuer has stated no tax rate."
NOT_SAID_BY_PAYEE = "No tax is charged: the payee has stated no tax rate."
_PERCENT = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,2}))? ?%")
_COUNTRY = re.compile(r"[A-Z]{2}")
_NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})  # of CLDR's two-letter territories
_VAT_ID = re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,13}")
_PREFIX = re.compile(r"[A-Z0-9]{1,12}")

EXAMPLE = """\
version = 1

[issuer]
party = "Casa Aurora"                # its name in the community
prefix = "CA"                        # begins every number: CA-2026-0001
country = "IT"
street = "Via dei Mille 4"
postcode = "39100"
city = "Bolzano"
vat_id = "IT12345670017"             # or tax_number = "..."
due_days = 14
lines = "gross"                      # what lines show: amounts with tax, or "net"

[tax]
rate = "22 %"                        # contained in every price; or: none = "why there is none"

[[contract]]
name = "Hot water"
rate = "10 %"

[buyers]
country = "IT"                       # of everybody who has no entry

[[party]]                            # a buyer or payee that needs more than a name
party = "Ahmed Haddad"
country = "IT"
none = "Private person: no tax is charged."   # for documents issued in the party's name
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """One issuer's words. `taxes`: contract -> treatment, where it differs from `tax`; `parties` by name."""

    issuer: str
    prefix: str
    identity: Mapping[str, str]
    due_days: int
    shows_gross: bool
    tax: Treatment
    taxes: Mapping[str, Treatment]
    buyers_country: str
    parties: Mapping[str, Mapping[str, str]]
    payee_taxes: Mapping[str, Treatment]

    def treatment(self, contract: str) -> Treatment:
        return self.taxes.get(contract, self.tax)

    def payee_treatment(self, name: str) -> Treatment:
        return self.payee_taxes.get(name, Treatment(_none_category(self.parties.get(name, {})), 0, NOT_SAID_BY_PAYEE))

    def identity_of(self, name: str, party: bytes) -> Identity:
        """The issuer, or a buyer or payee: with its own entry, or with a name and the country of buyers."""
        if name == self.issuer:
            return _identity(self.identity, name, party)
        return _identity(self.parties.get(name, {"country": self.buyers_country}), name, party)


def parse(text: str, where: str) -> Setup:
    """Raises BadInput naming the field."""
    root = read_text(text, where)
    root.integer("version", VERSION, VERSION)
    head = root.one("issuer")
    issuer, prefix = head.text("party"), _match(head, "prefix", _PREFIX, "1 to 12 of A-Z and 0-9")
    identity = _identity_words(head)
    due_days = head.integer_or("due_days", 0, DUE_DAYS_MAX, 14) or 0
    lines = head.text_or("lines", "gross")
    if lines not in ("gross", "net"):
        raise BadInput(head.path("lines"), f'is {lines!r}; write "gross" (amounts with tax) or "net"')
    head.done()
    default = Treatment(_none_category(identity), 0, NOT_SAID)
    tax = _tax(root.one("tax"), identity, done=True) if root.has("tax") else default
    taxes = {}
    for one in root.many("contract"):
        name = one.text("name")
        if name in taxes:
            raise BadInput(one.path("name"), f"{name!r} has two entries; keep one")
        taxes[name] = _tax(one, identity, done=True)
    buyers = root.one("buyers") if root.has("buyers") else None
    country = identity["country"] if buyers is None else _country(buyers)
    if buyers is not None:
        buyers.done()
    parties, payee_taxes = _parties(root)
    root.done()
    return Setup(
        issuer, prefix, identity, due_days, lines == "gross", tax, taxes, country, parties, payee_taxes
    )  # fmt: skip


def _parties(root: Table) -> tuple[dict[str, Mapping[str, str]], dict[str, Treatment]]:
    parties: dict[str, Mapping[str, str]] = {}
    taxes = {}
    for one in root.many("party"):
        name = one.text("party")
        if name in parties:
            raise BadInput(one.path("party"), f"{name!r} has two entries; keep one")
        parties[name] = _identity_words(one)
        if one.has("rate") or one.has("none"):
            taxes[name] = _tax(one, parties[name], done=False)
        one.done()
    return parties, taxes


def _identity_words(table: Table) -> dict[str, str]:
    found = {"country": _country(table)}
    for name in ("legal_name", "street", "postcode", "city", "tax_number"):
        if table.has(name):
            found[name] = table.text(name)
    if table.has("vat_id"):
        found["vat_id"] = _match(table, "vat_id", _VAT_ID, "the country and the number, as in DE123456789")
    return found


def _identity(words: Mapping[str, str], name: str, party: bytes) -> Identity:
    place = {key: words[key] for key in ("street", "postcode", "city") if key in words}
    address = Address(words["country"], **place)
    legal = words.get("legal_name", name)
    return Identity(party.hex(), legal, address, words.get("vat_id", ""), words.get("tax_number", ""))


def _tax(table: Table, identity: Mapping[str, str], *, done: bool) -> Treatment:
    if table.has("rate") == table.has("none"):
        raise BadInput(table.path("rate"), 'or none, one of them: rate = "19 %", or none = "why no tax is charged"')
    if table.has("none"):
        found = Treatment(_none_category(identity), 0, table.text("none"))
    else:
        found = Treatment(Category.STANDARD, _rate(table), "")
        if _none_category(identity) is Category.OUTSIDE:
            raise BadInput(table.path("rate"), "needs a vat_id or a tax_number of whoever charges the tax; add one")
    if done:
        table.done()
    return found


def _rate(table: Table) -> int:
    text = table.text("rate")
    match = _PERCENT.fullmatch(text)
    found = 0 if match is None else int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
    if not 0 < found <= RATE_MAX:
        detail = f'is {text!r}; write a percentage above 0 and up to 50, as "19 %", or none = "why no tax is charged"'
        raise BadInput(table.path("rate"), detail)
    return found


def _none_category(identity: Mapping[str, str]) -> Category:
    """Exempt for a seller that is registered for tax; outside of it for one that states no registration."""
    return Category.EXEMPT if identity.get("vat_id") or identity.get("tax_number") else Category.OUTSIDE


def _country(table: Table) -> str:
    found = _match(table, "country", _COUNTRY, "two capital letters, as in DE")
    if found not in Locale(DEFAULT).territories or found in _NO_COUNTRIES:
        raise BadInput(table.path("country"), f"{found!r} is no country's code (ISO 3166)")
    return found


def _match(table: Table, name: str, shape: re.Pattern[str], allowed: str) -> str:
    found = table.text(name)
    if not shape.fullmatch(found):
        raise BadInput(table.path(name), f"is {found!r}; write {allowed}")
    return found
