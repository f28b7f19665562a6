"""Writes a document as EN 16931 in UBL 2.1: Invoice (380, self-billed 389) or CreditNote (381, self-billed 261).

It never invents an id, a time or an order: the same document is the same bytes. What EN 16931 asks for and the
document does not say is refused, naming the field. Source: EN 16931-1:2017 and its syntax binding CEN/TS 16931-3-2.
"""

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from tallystick_cloud.http.locale import DEFAULT, Wording
from tallystick_cloud.money import decimal

from . import words
from .errors import InvoiceRefused
from .model import Document, Identity, Kind, Line
from .tax import Category

CUSTOMIZATION = "urn:cen.eu:en16931:2017"
NAMESPACE = "urn:oasis:names:specification:ubl:schema:xsd:"
CAC, CBC = f"{NAMESPACE}CommonAggregateComponents-2", f"{NAMESPACE}CommonBasicComponents-2"
TYPE_CODES = {Kind.INVOICE: "380", Kind.CREDIT: "381", Kind.SELF_BILLED: "389", Kind.SELF_CREDIT: "261"}  # UNTDID 1001
SEPA_TRANSFER, SEPA_DEBIT, ONLINE_SERVICE = "58", "59", "68"  # UNTDID 4461
ONE = "C62"  # UN/ECE recommendation 20: one
TAX_NUMBER = "FC"  # the scheme of a tax number that is no VAT id
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_LANGUAGE = Wording(DEFAULT, ZoneInfo("UTC"))  # one document, one file: whoever asks


@dataclass(frozen=True, slots=True)
class _Names:
    """What differs between the two kinds of file."""

    root: str
    type_code: str
    line: str
    quantity: str


_INVOICE = _Names("Invoice", "InvoiceTypeCode", "InvoiceLine", "InvoicedQuantity")
_CREDIT = _Names("CreditNote", "CreditNoteTypeCode", "CreditNoteLine", "CreditedQuantity")


def write(one: Document) -> bytes:
    """The file's bytes; raises InvoiceRefused naming what a receiver's check would miss."""
    names = _CREDIT if one.kind.is_credit else _INVOICE
    root = ET.Element(names.root, {"xmlns": f"{NAMESPACE}{names.root}-2", "xmlns:cac": CAC, "xmlns:cbc": CBC})
    _head(root, one, names)
    _party(_cac(root, "AccountingSupplierParty"), one.seller, "seller", one)
    _party(_cac(root, "AccountingCustomerParty"), one.buyer, "buyer", one)
    _payment(root, one)
    _taxes(root, one)
    _totals(root, one)
    for place, line in enumerate(one.lines, 1):
        _line(root, one, line, place, names)
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def _head(root: ET.Element, one: Document, names: _Names) -> None:
    _cbc(root, "CustomizationID", CUSTOMIZATION)
    _cbc(root, "ID", one.number)
    _cbc(root, "IssueDate", one.day)
    if names is _INVOICE:
        _cbc(root, "DueDate", one.due_day)
    _cbc(root, names.type_code, TYPE_CODES[one.kind])
    for note in words.notes(one, _LANGUAGE):
        _cbc(root, "Note", note)
    _cbc(root, "DocumentCurrencyCode", one.unit)
    period = _cac(root, "InvoicePeriod")
    _cbc(period, "StartDate", one.from_day)
    _cbc(period, "EndDate", one.to_day)
    for cited in one.cites:
        reference = _cac(_cac(root, "BillingReference"), "InvoiceDocumentReference")
        _cbc(reference, "ID", cited.number)
        _cbc(reference, "IssueDate", cited.day)


def _party(parent: ET.Element, who: Identity, field: str, one: Document) -> None:
    if who.address is None:
        raise InvoiceRefused(f"{field} {who.name}", "has no address; EN 16931 asks for a country at least")
    party = _cac(parent, "Party")
    _cbc(_cac(party, "PartyIdentification"), "ID", who.id)
    if one.transfer.debit is not None and field == "seller" and not one.kind.is_credit:
        _cbc(_cac(party, "PartyIdentification"), "ID", one.transfer.debit.creditor_id).set("schemeID", "SEPA")
    address = _cac(party, "PostalAddress")
    for tag, text in (
        ("StreetName", who.address.street),
        ("CityName", who.address.city),
        ("PostalZone", who.address.postcode),
    ):
        if text:
            _cbc(address, tag, text)
    _cbc(_cac(address, "Country"), "IdentificationCode", who.address.country)
    if who.vat_id and not _is_outside(one):  # BR-O-02 .. 04: none where nothing is in the scope of the tax
        _scheme(party, who.vat_id, "VAT")
    if who.tax_number and field == "seller":
        _scheme(party, who.tax_number, TAX_NUMBER)
    _cbc(_cac(party, "PartyLegalEntity"), "RegistrationName", who.name)


def _scheme(party: ET.Element, number: str, scheme: str) -> None:
    found = _cac(party, "PartyTaxScheme")
    _cbc(found, "CompanyID", number)
    _cbc(_cac(found, "TaxScheme"), "ID", scheme)


def _is_outside(one: Document) -> bool:
    return any(tax.treatment.category is Category.OUTSIDE for tax in one.taxes)


def _payment(root: ET.Element, one: Document) -> None:
    debit = one.transfer.debit
    if one.kind.is_credit:
        _cbc(_cac(root, "PaymentTerms"), "Note", "Lowers what is to be paid.")
    elif one.transfer.by_provider:
        means = _cac(root, "PaymentMeans")
        _cbc(means, "PaymentMeansCode", ONLINE_SERVICE)
        _cbc(means, "PaymentID", one.transfer.reference)
    elif debit is not None:
        means = _cac(root, "PaymentMeans")
        _cbc(means, "PaymentMeansCode", SEPA_DEBIT)
        _cbc(means, "PaymentID", one.transfer.reference)
        mandate = _cac(means, "PaymentMandate")
        _cbc(mandate, "ID", debit.mandate)
        _cbc(_cac(mandate, "PayerFinancialAccount"), "ID", debit.iban)
    elif one.transfer.iban is not None:
        means = _cac(root, "PaymentMeans")
        _cbc(means, "PaymentMeansCode", SEPA_TRANSFER)
        _cbc(means, "PaymentID", one.transfer.reference)
        account = _cac(means, "PayeeFinancialAccount")
        _cbc(account, "ID", one.transfer.iban)
        _cbc(account, "Name", one.transfer.holder)


def _taxes(root: ET.Element, one: Document) -> None:
    """One breakdown per category and rate (BR-S-01, BR-E-01, BR-O-01), their reasons together."""
    total = _cac(root, "TaxTotal")
    _amount(total, "TaxAmount", one.tax, one)
    groups: dict[tuple[Category, int], list[int]] = {}
    reasons: dict[tuple[Category, int], list[str]] = {}
    for tax in one.taxes:
        key = (tax.treatment.category, tax.treatment.rate)
        net, amount = groups.setdefault(key, [0, 0])
        groups[key] = [net + tax.net, amount + tax.tax]
        reasons.setdefault(key, []).append(tax.treatment.reason)
    for (category, rate), (net, amount) in groups.items():
        part = _cac(total, "TaxSubtotal")
        _amount(part, "TaxableAmount", net, one)
        _amount(part, "TaxAmount", amount, one)
        said = _cac(part, "TaxCategory")
        _category(said, category, rate, " ".join(reasons[category, rate]))


def _category(said: ET.Element, category: Category, rate: int, reason: str) -> None:
    _cbc(said, "ID", category.value)
    if category is not Category.OUTSIDE:
        _cbc(said, "Percent", decimal(rate))
    if reason:
        _cbc(said, "TaxExemptionReason", reason)
    _cbc(_cac(said, "TaxScheme"), "ID", "VAT")


def _totals(root: ET.Element, one: Document) -> None:
    total = _cac(root, "LegalMonetaryTotal")
    _amount(total, "LineExtensionAmount", one.net, one)
    _amount(total, "TaxExclusiveAmount", one.net, one)
    _amount(total, "TaxInclusiveAmount", one.total, one)
    _amount(total, "PayableAmount", one.total, one)


def _line(root: ET.Element, one: Document, line: Line, place: int, names: _Names) -> None:
    """Quantity 1 at the line's net amount: a price per unit contains the tax, and its net has no end. How much at
    which price stands in words."""
    found = _cac(root, names.line)
    _cbc(found, "ID", str(place))
    quantity = _cbc(found, names.quantity, "-1" if line.net < 0 else "1")
    quantity.set("unitCode", ONE)
    _amount(found, "LineExtensionAmount", line.net, one)
    item = _cac(found, "Item")
    _cbc(item, "Description", words.detail(line, _LANGUAGE) or line.contract)
    _cbc(item, "Name", words.what(line, _LANGUAGE))
    category = next(tax.treatment.category for tax in one.taxes if tax.treatment.rate == line.rate)
    _category(_cac(item, "ClassifiedTaxCategory"), category, line.rate, "")
    _amount(_cac(found, "Price"), "PriceAmount", abs(line.net), one)


def _amount(parent: ET.Element, tag: str, cents: int, one: Document) -> None:
    _cbc(parent, tag, decimal(cents)).set("currencyID", one.unit)


def _cac(parent: ET.Element, tag: str) -> ET.Element:
    return ET.SubElement(parent, f"cac:{tag}")


def _cbc(parent: ET.Element, tag: str, text: str) -> ET.Element:
    if _NO_XML.search(text):
        raise InvoiceRefused(tag, f"{text!r} holds a character that XML cannot carry; write it without")
    found = ET.SubElement(parent, f"cbc:{tag}")
    found.text = text
    return found
