"""A document as a row of a page.

It never computes an amount.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_cloud.http.amounts import Amount, of_cents
from tallystick_cloud.http.locale import Wording

from . import words
from .store import Stored

OWN_SHOWN = 60  # five years of months: older ones are in the files that their reader kept
ALL_SHOWN = 200  # of a page; the command line lists all


@dataclass(frozen=True, slots=True)
class DocumentView:
    """One row; `cites` names what it takes back or concerns."""

    number: str
    kind: str
    day: str
    iso: str
    period: str
    seller: str
    buyer: str
    total: Amount
    unit: str
    cites: str


def document_view(one: Stored, names: Mapping[bytes, str], w: Wording) -> DocumentView:
    """Amounts as the document says them: a credit note's are positive too."""
    said = one.document
    return DocumentView(
        one.number,
        words.title(said, w),
        words.day(said.day, w),
        said.day,
        words.span(said, w),
        names[one.seller],
        names[one.buyer],
        of_cents(said.total, w),
        said.unit,
        ", ".join(cited.number for cited in said.cites),
    )
