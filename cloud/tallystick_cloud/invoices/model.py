"""A document as a value: who, for what, lines, tax and totals in whole cents; made from charges in nano; pure.

It never changes once it is issued: what was wrong is taken back by a credit note that cites it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from tallystick_protocol.errors import InvariantError
from tallystick_protocol.money.usage import AT_CLOSE

from tallystick_cloud.costs.words import Measure

from .tax import Treatment, cents_of, contained, nets_of

UNIT = "EUR"  # of all documents
MINIMUM = "minimum"  # the form of what brings a period up to its minimum
STANDING = "standing-charge"  # the form of what a payer owes whatever was used
REBATE = "rebate"  # the form of what volume tiers give back
SHARE = "share"  # the form of what a payee gets of other people's uses
BILL = "bill"  # the form of a part of a shared bill


class Kind(StrEnum):
    """What a document is."""

    INVOICE = "invoice"
    CREDIT = "credit note"
    SELF_BILLED = "self-billed invoice"
    SELF_CREDIT = "self-billed credit note"

    @property
    def is_credit(self) -> bool:
        return self in (Kind.CREDIT, Kind.SELF_CREDIT)

    @property
    def is_self_billed(self) -> bool:
        return self in (Kind.SELF_BILLED, Kind.SELF_CREDIT)


class Way(StrEnum):
    """How the money of a document comes: by the bank, or by a payment provider, which has documents of its own."""

    TRANSFER = "transfer"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Address:
    """Structured, or none at all; `country` is its ISO 3166 code."""

    country: str
    street: str = ""
    postcode: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A party as it stands on a document; `id` is its hex id in this community."""

    id: str
    name: str
    address: Address | None
    vat_id: str = ""
    tax_number: str = ""


@dataclass(frozen=True, slots=True)
class Cited:
    """A document that this one corrects or replaces."""

    number: str
    day: str


@dataclass(frozen=True, slots=True)
class Apportioned:
    """How a part of a shared bill came about: which bill, `cents` of it in all, what decided the key, the days of the
    stay (YYYY-MM-DD, both included), and the parts of the key."""

    bill: str
    cents: int
    decision: str
    first_day: str
    last_day: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What one line of a settled statement charges: `nano` is positive when the buyer owes it.

    `quantity` in `unit` and `price` (nano per unit) where one price holds; `cites`: the invoice that it corrects.
    """

    contract: str
    asset: str
    form: str
    programme: str | None
    quantity: Fraction
    unit: str
    price: int | None
    nano: int
    cites: str | None = None
    bill: Apportioned | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line as issued. `uses`: how many it sums; `price` in nano per unit, None where it follows the tariff."""

    contract: str
    asset: str
    form: str
    programme: str | None
    uses: int
    quantity: Fraction
    unit: str
    price: int | None
    cites: str | None
    gross: int
    net: int
    rate: int
    bill: Apportioned | None = None


@dataclass(frozen=True, slots=True)
class TaxLine:
    """All lines of one treatment together, in cents."""

    treatment: Treatment
    net: int
    tax: int


@dataclass(frozen=True, slots=True)
class Debit:
    """A mandate of direct debit: its reference, the collector's creditor identifier, the buyer's account."""

    mandate: str
    creditor_id: str
    iban: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """How money moves: to whose account, under which reference; `iban` None: not known yet. `debit`: it is collected
    from the buyer's account, and nobody has to pay. `by_provider`: a payment provider charges the buyer."""

    holder: str
    iban: str | None
    reference: str
    debit: Debit | None = None
    by_provider: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """Everything that a document says; days are YYYY-MM-DD, `to_day` is the last day inside, amounts positive cents.

    `disputed`: what of it was in dispute when it was issued, and need not be paid until that is decided.
    """

    number: str
    kind: Kind
    day: str
    due_day: str
    from_day: str
    to_day: str
    unit: str
    seller: Identity
    buyer: Identity
    cites: tuple[Cited, ...]
    note: str
    shows_gross: bool
    lines: tuple[Line, ...]
    taxes: tuple[TaxLine, ...]
    transfer: Transfer
    disputed: int = 0

    @property
    def way(self) -> Way:
        return Way.PROVIDER if self.transfer.by_provider else Way.TRANSFER

    @property
    def payable(self) -> int:
        """What is to be paid now."""
        return self.total - self.disputed

    @property
    def net(self) -> int:
        return sum(one.net for one in self.taxes)

    @property
    def tax(self) -> int:
        return sum(one.tax for one in self.taxes)

    @property
    def total(self) -> int:
        return self.net + self.tax

    @property
    def ledger_cents(self) -> int:
        """As the books see it: what the buyer owes more by it."""
        return -self.total if self.kind.is_credit else self.total


@dataclass(frozen=True, slots=True)
class Sum:
    """Lines and taxes of one document before it has a number; `cents` as the books see it, negative for a credit."""

    cents: int
    lines: tuple[Line, ...]
    taxes: tuple[TaxLine, ...]
    cites: tuple[str, ...]

    @property
    def is_credit_of_one(self) -> bool:
        """Whether it takes back a part of one issued document, and is about nothing else."""
        return self.cents < 0 and len(self.cites) == 1 and all(line.cites for line in self.lines)


def sums_of(
    carried: int, charges: Iterable[Charge], treatments: Mapping[str, Treatment]
) -> tuple[tuple[Sum, ...], int]:
    """The documents that a buyer's charges make, and the nano that are carried on (less than a cent).

    What lowers an issued invoice is a credit note of its own, one per invoice; everything else is one document. An
    amount below a cent makes none. `treatments`: contract -> how it is taxed.
    """
    groups: dict[str | None, list[Charge]] = {None: []}
    for one in charges:
        groups.setdefault(one.cites, []).append(one)
    lowered = sorted(
        number for number, rows in groups.items() if number is not None and sum(row.nano for row in rows) < 0
    )
    rest = [row for number, rows in groups.items() if number not in lowered for row in rows]
    found = []
    for rows in (*(groups[number] for number in lowered), rest):
        made, carried = _sum(carried, rows, treatments)
        found += [made] if made.cents else []
    return tuple(found), carried


def _sum(carried: int, charges: Sequence[Charge], treatments: Mapping[str, Treatment]) -> tuple[Sum, int]:
    drafts = _joined(charges)
    cents, rest = cents_of(carried, [nano for _, nano in drafts])
    total = sum(cents)
    sign = -1 if total < 0 else 1
    lines = [_line(draft, sign * whole) for (draft, _), whole in zip(drafts, cents, strict=True)]
    return Sum(total, *taxed(lines, treatments), _cited(charges)), rest


def taxed(lines: Sequence[Line], treatments: Mapping[str, Treatment]) -> tuple[tuple[Line, ...], tuple[TaxLine, ...]]:
    """The lines with their net amounts, and one tax line per treatment; `gross` stands and is the sum of both."""
    by_treatment: dict[Treatment, list[int]] = {}
    for at, line in enumerate(lines):
        by_treatment.setdefault(treatments[line.contract], []).append(at)
    found = list(lines)
    taxes = []
    for treatment, places in sorted(by_treatment.items(), key=lambda one: (-one[0].rate, one[0].reason)):
        gross = [lines[at].gross for at in places]
        nets = nets_of(gross, treatment.rate)
        for at, net in zip(places, nets, strict=True):
            found[at] = replace(lines[at], net=net, rate=treatment.rate)
        taxes.append(TaxLine(treatment, sum(nets), contained(sum(gross), treatment.rate)))
    if sum(one.net + one.tax for one in taxes) != sum(line.gross for line in lines):
        raise InvariantError("lines and tax do not make the total")
    return tuple(found), tuple(taxes)


def _cited(charges: Iterable[Charge]) -> tuple[str, ...]:
    return tuple(sorted({one.cites for one in charges if one.cites is not None}))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A line before its cents are known."""

    contract: str
    asset: str
    form: str
    programme: str | None
    unit: str
    price: int | None
    cites: str | None
    bill: Apportioned | None
    uses: int = 0
    quantity: Fraction = Fraction(0)


def _joined(charges: Iterable[Charge]) -> list[tuple[_Draft, int]]:
    """Charges of one contract, asset, programme and price are one line; in an order that depends on nothing else."""
    sums: dict[tuple[str | bool | int, ...], tuple[_Draft, int]] = {}
    for one in charges:
        same = (one.form, one.programme or "", one.cites or "", one.unit, -1 if one.price is None else one.price)
        stay = "" if one.bill is None else one.bill.first_day
        key = (one.contract, one.form in AT_CLOSE, one.asset, *same, stay)
        fresh = _Draft(one.contract, one.asset, one.form, one.programme, one.unit, one.price, one.cites, one.bill)
        draft, nano = sums.get(key, (fresh, 0))
        grown = replace(draft, uses=draft.uses + 1, quantity=draft.quantity + one.quantity)
        sums[key] = (grown, nano + one.nano)
    return [sums[key] for key in sorted(sums)]


def _line(draft: _Draft, gross: int) -> Line:
    """Net and rate are those of no tax yet."""
    return Line(
        draft.contract, draft.asset, draft.form, draft.programme, draft.uses, draft.quantity, draft.unit, draft.price,
        draft.cites, gross, gross, 0, draft.bill,
    )  # fmt: skip
