"""Documents for people and for programs at the command line: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from collections.abc import Mapping

from tallystick_cloud.money import decimal, money

from .model import Apportioned
from .service import Issued
from .store import Stored

Names = Mapping[bytes, str]


def as_json(one: Stored, names: Names) -> dict[str, object]:
    """`_cents` and `_nano` are strings of integers, positive on the document; days are YYYY-MM-DD."""
    said = one.document
    return {
        "number": one.number,
        "kind": said.kind.value,
        "day": said.day,
        "due_day": said.due_day,
        "period": one.period,
        "seller": names[one.seller],
        "buyer": names[one.buyer],
        "unit": said.unit,
        "net_cents": str(said.net),
        "tax_cents": str(said.tax),
        "total_cents": str(said.total),
        "cites": [cited.number for cited in said.cites],
        "note": said.note,
        "reference": said.transfer.reference,
        "way": said.way.value,
        "sha256": one.hash.hex(),
        "taxes": [
            {
                "category": tax.treatment.category.value,
                "rate_hundredths_percent": tax.treatment.rate,
                "reason": tax.treatment.reason,
                "net_cents": str(tax.net),
                "tax_cents": str(tax.tax),
            }
            for tax in said.taxes
        ],
        "lines": [
            {
                "contract": line.contract,
                "asset": line.asset,
                "form": line.form,
                "programme": line.programme,
                "uses": line.uses,
                "quantity": str(line.quantity),
                "unit": line.unit,
                "price_nano": None if line.price is None else str(line.price),
                "cites": line.cites,
                "bill": None if line.bill is None else _bill(line.bill),
                "gross_cents": str(line.gross),
                "net_cents": str(line.net),
            }
            for line in said.lines
        ],
    }


def _bill(one: Apportioned) -> dict[str, object]:
    """Parts of the key as exact fractions."""
    return {
        "bill": one.bill,
        "bill_cents": str(one.cents),
        "decision_ref": one.decision,
        "first_day": one.first_day,
        "last_day": one.last_day,
        "key": [
            {"portion": str(part.portion), "by": part.by.value, "own": str(part.own), "total": str(part.total)}
            for part in one.measures
        ],
    }


def issued_json(issued: Issued, names: Names) -> dict[str, object]:
    return {
        "issued": issued.fresh,
        "documents": [as_json(one, names) for one in issued.documents],
        "left": [
            {"party": names.get(one.party, one.party.hex()), "contract": one.contract, "reason": one.reason}
            for one in issued.left
        ],
    }


def line_of(one: Stored, names: Names) -> str:
    """A document as one line of a list."""
    total, who = decimal(one.document.total), f"{names[one.seller]} to {names[one.buyer]}"
    return f"{one.number:<18} {one.document.day}  {total:>12} {one.document.unit}  {one.kind.value}, {who}"


def as_text(one: Stored, names: Names) -> str:
    """A document in a few lines."""
    said = one.document
    rows = [line_of(one, names)]
    for line in said.lines:
        about = " ".join(part for part in (line.asset, line.programme or "", f"({line.contract})") if part)
        words = f"correction of {line.cites}: {about}" if line.cites else about
        rows.append(f"  {decimal(line.gross):>12}  {words}")
    for tax in said.taxes:
        rate = f"tax {decimal(tax.treatment.rate)} % contained, on {decimal(tax.net)}"
        rows.append(f"  {decimal(tax.tax):>12}  {rate if tax.treatment.rate else tax.treatment.reason}")
    rows += [f"  cites {cited.number} of {cited.day}" for cited in said.cites]
    rows += [f"  {said.note}"] if said.note else []
    return "\n".join(rows)


def issued_text(issued: Issued, names: Names, *, is_trial: bool) -> str:
    """What a run did, or would do."""
    word = "would be issued" if is_trial else "issued"
    rows = [line_of(one, names) for one in issued.documents]
    rows += [
        f"no document for {names.get(one.party, one.party.hex())} ({one.contract}): {one.reason}" for one in issued.left
    ]
    rows.append(f"{issued.fresh} {word}, {len(issued.documents) - issued.fresh} were issued before")
    if issued.carried:
        rows.append(f"{money(issued.carried)} EUR below a cent are carried to the next documents")
    return "\n".join(rows)
