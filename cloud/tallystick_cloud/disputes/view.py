"""A dispute as its pages show it: in the reader's words, dates and amounts.

It never names who pays: to others than the offices, who opened it is a party of the contract or "who pays"."""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_cloud.disputes.forget import ERASED
from tallystick_cloud.disputes.seen import Bar, Opened, Seen, Told
from tallystick_cloud.http.amounts import Amount, exact
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.uses.model import Reader, UseView

STATES = {
    "open": ("warn", N_("waits for a decision"), N_("held until somebody decides")),
    "upheld": ("ok", N_("was right"), N_("given back")),
    "rejected": ("off", N_("the use stands"), N_("stands and is paid as usual")),
}


BARS = {
    None: N_("by its contract it can be disputed until {day}"),
    Bar.FREE: N_("it costs nothing, so there is nothing to be held"),
    Bar.GIVEN: N_("it gives money back; what is wrong about it is wrong in a use of the period: dispute that"),
    Bar.NOT_YOURS: N_("only who pays it or is a party of its contract can dispute it"),
    Bar.LATE: N_("by its contract it could be disputed until {day}"),
}


@dataclass(frozen=True, slots=True)
class StepView:
    """What happened when; `document` leads to what was shown for it, if anything."""

    mark: str
    title: str
    at: str
    iso: str
    why: str
    document: str


@dataclass(frozen=True, slots=True)
class PartView:
    """A party's part of what is held or was given back."""

    name: str
    amount: Amount
    is_reader: bool


@dataclass(frozen=True, slots=True)
class DisputeView:
    """One dispute; `what` the asset, `detail` which use of it."""

    link: str
    what: str
    detail: str
    mark: str
    state: str
    says: str
    opened: str
    iso: str
    by: str
    why: str
    unit: str
    fee: Amount
    is_open: bool


def dispute_view(one: Seen, reader: Reader, names: Mapping[bytes, str], w: Wording) -> DisputeView:
    """A line of the list, and the head of the page."""
    mark, state, says = STATES[one.state]
    use = one.use
    return DisputeView(
        f"/disputes/{use.use_id.hex()}", what(one.use, one.contract.name), which(use, w), mark, w.gettext(state),
        w.gettext(says), w.date(one.opened.at_ms), w.iso(one.opened.at_ms), who(one, one.opened.by, reader, names, w),
        _words(one.opened, w), one.contract.unit, exact(one.fee, w), one.state == "open",
    )  # fmt: skip


def what(use: UseView, contract: str) -> str:
    """The asset, or the contract where the use is of none."""
    return use.asset_name or contract


def which(use: UseView, w: Wording) -> str:
    """Number or time of the use, and its day."""
    if use.form == "event":
        return w.gettext("use {n}, {day}").format(n=w.count(use.number), day=w.date(use.end_ms))
    return w.gettext("{start} to {end}, {day}").format(
        start=w.time(use.start_ms), end=w.time(use.end_ms), day=w.date(use.end_ms - 1)
    )


def who(one: Seen, party: bytes, reader: Reader, names: Mapping[bytes, str], w: Wording) -> str:
    """Who opened it, as far as the reader may know."""
    if party == reader.party:
        return w.gettext("you")
    in_contract = {bytes(found.id): found.name for found in one.contract.parties}
    if reader.holds_office:
        return names.get(party) or in_contract.get(party, party.hex()[:8])
    return in_contract.get(party) or w.gettext("who pays this use")


def steps(one: Seen, reader: Reader, names: Mapping[bytes, str], w: Wording) -> tuple[StepView, ...]:
    """What happened, oldest first."""
    _, link = w.gettext, f"/disputes/{one.use.use_id.hex()}"
    by = who(one, one.opened.by, reader, names, w)
    found = [_step("warn", _("Opened by {name}").format(name=by), one.opened, f"{link}/document", w)]
    if one.decided is not None:
        mark, title = ("ok", _("{name}: the dispute is right")) if one.state == "upheld" else (
            "off", _("{name}: the use stands")
        )  # fmt: skip
        decider = w.gettext("You") if one.decided.by == reader.party else names.get(one.decided.by, "?")
        found.append(_step(mark, title.format(name=decider), one.decided, f"{link}/decision-document", w))
    return tuple(found)


def _step(mark: str, title: str, told: Told, document: str, w: Wording) -> StepView:
    return StepView(
        mark, title, f"{w.date(told.at_ms)}, {w.time(told.at_ms)}", w.iso(told.at_ms), _words(told, w),
        document if told.has_document else "",
    )  # fmt: skip


def _words(told: Told, w: Wording) -> str:
    return w.gettext("erased at the person's wish") if told.why == ERASED else told.why


def standing(one: Opened, dispute: DisputeView | None, w: Wording) -> str:
    """Who disputed it and when, or until when that can be done, or why it cannot."""
    if dispute is not None:
        return w.gettext("disputed by {name} on {day}").format(name=dispute.by, day=dispute.opened)
    return w.gettext(BARS[one.bar]).format(day=w.date(one.until_ms))


def parts(one: Opened, reader: Reader, w: Wording) -> tuple[PartView, ...]:
    """Whose money it is about: what is held or would be, or what was taken back from whom."""
    names = {bytes(found.id): found.name for found in one.contract.parties}
    shares = one.use.standing.shares
    if one.seen is not None and one.seen.state == "upheld":
        shares = tuple((party, -nano) for party, nano in one.seen.given if nano < 0)
    return tuple(
        PartView(names.get(party, party.hex()[:8]), exact(nano, w), party == reader.party)
        for party, nano in shares
        if nano
    )
