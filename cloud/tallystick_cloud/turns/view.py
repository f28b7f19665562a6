"""Shared machines as their page shows them. It never names who else shares one, or whose turn it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tallystick_cloud.http.locale import Wording
from tallystick_cloud.ledger.model import DAY_MS

from .model import Running
from .service import Machine

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine and what its reader may do: `mine` is the number of the reader's own turn; `rate` tells an office and
    those who get a share how many uses nobody claimed."""

    asset: str
    name: str
    mark: str
    says: str
    mine: int | None
    may_begin: bool
    may_claim: bool
    rate: str
    code: str


def machine(
    one: Machine, names: Mapping[str, str], reader: bytes | None, w: Wording, now_ms: int, code: str
) -> MachineView:
    """`code`: the machine's page as a picture to scan, for an office."""
    shares = reader is not None and reader in one.found.sharers
    is_mine = one.turn is not None and one.turn.party == reader
    mark, says = _state(one, is_mine, w, now_ms)
    going = _going(one, now_ms)
    return MachineView(
        one.asset,
        names.get(one.asset, one.asset),
        mark,
        says,
        one.turn.id if one.turn is not None and is_mine else None,
        shares and one.turn is None,
        shares and going is not None and not going.is_billed and not one.is_claimed,
        _rate(one, w),
        code,
    )


def _state(one: Machine, is_mine: bool, w: Wording, now_ms: int) -> tuple[str, str]:
    _, going = w.gettext, _going(one, now_ms)
    if one.turn is not None:
        minutes = w.count(-(-(one.turn.to_ms - now_ms) // MINUTE_MS))
        says = _("your turn; start it within {n} min") if is_mine else _("another's turn for {n} min")
        return "info" if is_mine else "warn", says.format(n=minutes)
    if going is None:
        return "ok", _("free, as far as its gateway has told")
    since = w.time(going.start_ms)
    if one.is_claimed:
        return "off", _("runs since {time}").format(time=since)
    if going.is_billed:
        return "off", _("runs since {time}; nobody said whose it is, the house pays").format(time=since)
    return "warn", _("runs since {time}; nobody has said whose it is").format(time=since)


def _going(one: Machine, now_ms: int) -> Running | None:
    """The use that goes on, if it began today: an older one lost its end."""
    return one.running if one.running is not None and one.running.start_ms > now_ms - DAY_MS else None


def _rate(one: Machine, w: Wording) -> str:
    if not one.uses:
        return w.gettext("no use in the last 30 days")
    part = f"{w.percent(Fraction(one.unclaimed, one.uses))} %"
    return w.gettext("{n} of {all} uses of 30 days unclaimed ({part})").format(
        n=w.count(one.unclaimed), all=w.count(one.uses), part=part
    )
