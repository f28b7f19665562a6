"""A contract in views: parties, price list, the split as a fall of steps, terms, versions and approvals.

It never computes an amount; look.py ran the split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallystick_protocol.money.contract import Contract

from tallystick_cloud.contracts import words
from tallystick_cloud.contracts.answers import Asked, Terms
from tallystick_cloud.contracts.diff import Change, differences
from tallystick_cloud.contracts.look import ChainView, Fall, VersionView
from tallystick_cloud.http.amounts import Amount, exact
from tallystick_cloud.http.locale import N_, Wording

BAR_WIDTH = 1_000
COLOURS = 5


@dataclass(frozen=True, slots=True)
class FallView:
    """One step: its bar lies where the money it takes lay in the example fee."""

    who: str
    takes: str
    amount: Amount
    left: Amount
    x: int
    width: int
    colour: int
    counter: str
    percent: int | None


@dataclass(frozen=True, slots=True)
class PartyView:
    """A party with its role; `is_reader`: you."""

    name: str
    role: str
    is_reader: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A version in words; `answers` say who agreed and where that stands in the log."""

    number: int
    state: str
    mark: str
    since: str
    h: str
    leaf: int
    answers: tuple[str, ...]
    is_now: bool


STATES = {
    "draft": ("off", N_("proposed, waits for approvals")),
    "shadow": ("off", N_("shadow: computed and shown, nothing is charged")),
    "live": ("ok", N_("live")),
    "paused": ("warn", N_("paused")),
    "ended": ("off", N_("ended")),
}


def state_of(one: VersionView, w: Wording) -> tuple[str, str]:
    """(shape, word) of a version's state."""
    mark, word = STATES.get(one.state, ("off", one.state))
    return mark, w.gettext(word)


def parties(version: VersionView, reader: bytes | None, w: Wording) -> tuple[PartyView, ...]:
    """In contract order; then the reader as a user whom the contract does not name, and how many others there are."""
    _, contract = w.gettext, version.contract
    found = [PartyView(one.name, _(one.role.replace("-", " ")), one.id == reader) for one in contract.parties]
    mine = version.assets_of(reader)
    if mine:
        found.append(PartyView(_("User of {assets}").format(assets=", ".join(mine)), _("not named here"), True))
    others = sum(asset.is_committed for asset in contract.assets) - len(mine)
    if others:
        who = _("Users of other assets: {n}") if mine else _("Users of assets: {n}")
        found.append(PartyView(who.format(n=others), _("not named here"), False))
    return tuple(found)


def falls(chain: ChainView, w: Wording) -> tuple[FallView, ...]:
    """The steps, each bar beginning where the step before it ended."""
    contract, fee, found, taken = chain.now.contract, chain.example, [], 0
    for number, one in enumerate(chain.falls):
        x = BAR_WIDTH * taken // fee if fee else 0
        taken += one.takes
        end = BAR_WIDTH * taken // fee if fee else 0
        counter, percent = _counter(one, contract, w)
        found.append(
            FallView(
                words.who(one.step, contract), words.takes(one.step, contract, w), exact(one.takes, w),
                exact(one.left, w), x, end - x, number % COLOURS + 1, counter, percent,
            )
        )  # fmt: skip
    return tuple(found)


def _counter(one: Fall, contract: Contract, w: Wording) -> tuple[str, int | None]:
    if one.counter is None or one.step.cap is None:
        return "", None
    cap = one.step.cap.nano()
    says = w.gettext("{name}: {unit} {value} of {cap} reached").format(
        name=words.upper_first(one.step.counter or ""),
        unit=contract.unit,
        value=exact(one.counter, w),
        cap=exact(cap, w),
    )
    return says, one.counter * 100 // cap if cap else 100


def versions(chain: ChainView, w: Wording) -> tuple[Version, ...]:
    """Newest first, with who agreed."""
    _ = w.gettext
    found = []
    for one in chain.versions:
        mark, state = state_of(one, w)
        answers = _answers(one, w)
        since = _("for uses from {day} on").format(day=w.date(one.contract.effective_from_ms))
        found.append(
            Version(one.contract.version, state, mark, since, one.h.hex(), one.leaf, answers, one is chain.now)
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class AskedView:
    """A proposed version that waits for the reader's answer; `changes` none: it is the first one, and stands above."""

    number: int
    h: str
    since: str
    proposed: str
    changes: tuple[Change, ...]
    is_first: bool


@dataclass(frozen=True, slots=True)
class AcceptView:
    """Terms that the reader accepts as a user; `accepted`: when that was done, or nothing; `changes` against what holds
    now."""

    number: int
    h: str
    accepted: str
    changes: tuple[Change, ...]


def asked(found: Sequence[Asked], names: Mapping[bytes, str], w: Wording) -> tuple[AskedView, ...]:
    return tuple(
        AskedView(
            one.version.contract.version,
            one.version.h.hex(),
            w.gettext("for uses from {day} on").format(day=w.date(one.version.contract.effective_from_ms)),
            w.gettext("proposed by {name}").format(name=names.get(one.version.proposer, "")),
            () if one.before is None else differences(one.before.contract, one.version.contract, w),
            one.before is None,
        )
        for one in found
    )


def accepts(found: Sequence[Terms], now: VersionView, w: Wording) -> tuple[AcceptView, ...]:
    return tuple(
        AcceptView(
            one.version.contract.version,
            one.version.h.hex(),
            "" if one.accepted_ms is None else w.date(one.accepted_ms),
            () if one.version is now else differences(now.contract, one.version.contract, w),
        )
        for one in found
    )


def _answers(one: VersionView, w: Wording) -> tuple[str, ...]:
    _, everybody = w.gettext, len(one.contract.parties)
    if len(one.yes) == everybody:
        return (_("all {n} parties agreed").format(n=everybody),)
    yes = ", ".join(_name(one.contract, party) for party, _leaf in one.yes)
    no = ", ".join(_name(one.contract, party) for party, _leaf in one.no)
    found = (
        _("agreed: {names}").format(names=yes) if yes else "",
        _("refused: {names}").format(names=no) if no else "",
    )
    return tuple(filter(None, found))


def _name(contract: Contract, party: bytes) -> str:
    return next((one.name for one in contract.parties if one.id == party), party.hex()[:8])
