"""How a share of a bill came about, in the reader's words; the same on a statement and on an invoice.

It never rounds an amount; parts are in hundredths of a percent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from tallystick_protocol.money.cost import By

from tallystick_cloud.http.locale import N_, Wording

BY = {
    By.USE: N_("by use"),
    By.PEOPLE: N_("by people"),
    By.SHARE: N_("by shares"),
    By.AREA: N_("by area"),
    By.FLAT: N_("by flats"),
}


@dataclass(frozen=True, slots=True)
class Measure:
    """A part of a bill's key: `own` of `total` by a measure decides over `portion` of the bill."""

    portion: Fraction
    by: By
    own: Fraction
    total: Fraction


def measures(parts: Iterable[Measure], w: Wording) -> str:
    """70 % by use, your part 10.43 %; 30 % by area, your part 8.66 %."""
    _ = w.gettext
    return "; ".join(
        _("{part} % {by}, your part {own} %").format(
            part=w.percent(one.portion), by=_(BY[one.by]), own=w.percent(one.own / one.total)
        )
        for one in parts
    )
