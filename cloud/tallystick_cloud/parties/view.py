"""People and organisations in the reader's words: roles by name, accounts masked, keys by what they mean.

It never decides what may be changed.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallystick_cloud.contracts import view as contracts
from tallystick_cloud.contracts.look import ChainView
from tallystick_cloud.http.amounts import Amount, exact, harmless
from tallystick_cloud.http.locale import N_, Wording

from .look import Card, Key, Money, Record, Span
from .model import MANAGER, Form, masked

FORMS: dict[str, str] = {
    Form.PERSON.value: N_("Person"),
    Form.ORGANISATION.value: N_("Organisation"),
    Form.FUND.value: N_("Fund"),
}
ROLE_WORDS = {
    MANAGER: N_("Community manager"),
    "owner": N_("Owner"),
    "user": N_("User"),
    "servicer": N_("Servicer"),
    "financier": N_("Financier"),
    "city_operator": N_("City operator"),
    "installer": N_("Installer"),
    "auditor": N_("Auditor"),
    "developer": N_("Developer"),
}
KID_CHARS = 8


@dataclass(frozen=True, slots=True)
class CardView:
    """One line of the list. `account` empty: money for it goes nowhere yet; `needs_account`: though some is owed."""

    link: str
    name: str
    form: str
    roles: str
    account: str
    needs_account: bool
    signs: bool
    contracts: str
    owed: tuple[tuple[str, Amount], ...]
    owes: tuple[tuple[str, Amount], ...]


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role with its days; `ends`: when it was over."""

    role: str
    name: str
    since: str
    ends: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """A masked account with its days."""

    account: str
    holder: str
    days: str
    holds: bool


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key by its short name, in words."""

    kid: str
    says: str
    mark: str
    since: str


@dataclass(frozen=True, slots=True)
class ContractView:
    """A contract that names the party, as what, and what a claim of it has reached."""

    link: str
    name: str
    role: str
    mark: str
    state: str
    claims: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class RecordView:
    """Everything on one party's page."""

    name: str
    form: str
    email: str
    since: str
    roles: tuple[RoleView, ...]
    past_roles: tuple[RoleView, ...]
    accounts: tuple[AccountView, ...]
    keys: tuple[KeyView, ...]
    contracts: tuple[ContractView, ...]
    owed: tuple[tuple[str, Amount], ...]
    owes: tuple[tuple[str, Amount], ...]
    unclaimed: tuple[tuple[str, Amount], ...]
    can_sign: bool
    may_get: tuple[tuple[str, str], ...]

    @property
    def account(self) -> AccountView | None:
        """The one that holds."""
        return next((one for one in self.accounts if one.holds), None)


def roles_of(held: Sequence[str], w: Wording) -> str:
    """By name, in the order in which they were given."""
    return ", ".join(w.gettext(ROLE_WORDS[one]) for one in held)


def choices(words: Mapping[str, str], w: Wording) -> tuple[tuple[str, str], ...]:
    """(value, name) for a form."""
    return tuple((value, w.gettext(name)) for value, name in words.items())


def card_view(one: Card, w: Wording) -> CardView:
    """`needs_account` is what a payout run holds back for."""
    return CardView(
        f"/parties/{one.id.hex()}",
        one.name,
        w.gettext(FORMS[one.form]),
        roles_of(one.roles, w),
        "" if one.iban is None else masked(one.iban),
        one.iban is None and any(nano > 0 for nano in one.money.owed.values()),
        one.has_key,
        w.count(one.contracts) if one.contracts else "",
        _amounts(one.money.owed, w),
        _amounts(one.money.owes, w),
    )


def record_view(one: Record, w: Wording) -> RecordView:
    """The page of one party."""
    held = [each for each in one.roles if each.to_ms is None]
    mine = {each.what for each in held}
    money: Money = one.money
    return RecordView(
        one.name,
        w.gettext(FORMS[one.form]),
        one.email or "",
        w.date(one.since_ms),
        tuple(_role(each, w) for each in held),
        tuple(_role(each, w) for each in one.roles if each.to_ms is not None),
        tuple(_account(each, w) for each in one.accounts),
        tuple(_key(each, w) for each in one.keys),
        tuple(_contract(each, one.id, w) for each in one.contracts),
        _amounts(money.owed, w),
        _amounts(money.owes, w),
        _amounts(money.unclaimed, w),
        any(each.revoked_ms is None for each in one.keys),
        tuple(choice for choice in choices(ROLE_WORDS, w) if choice[0] not in mine),
    )


def _role(one: Span, w: Wording) -> RoleView:
    ends = "" if one.to_ms is None else w.date(one.to_ms)
    return RoleView(one.what, w.gettext(ROLE_WORDS.get(one.what, one.what)), w.date(one.from_ms), ends)


def _account(one: Span, w: Wording) -> AccountView:
    _ = w.gettext
    since = _("since {day}").format(day=w.date(one.from_ms))
    if one.to_ms is not None:
        since = _("{first} to {last}").format(first=w.date(one.from_ms), last=w.date(one.to_ms))
    return AccountView(masked(one.what), one.holder, since, one.to_ms is None)


def _key(one: Key, w: Wording) -> KeyView:
    _ = w.gettext
    if one.revoked_ms is not None:
        mark, says = "off", _("ended {day}").format(day=w.date(one.revoked_ms))
    else:
        mark, says = "ok", _("kept by this server, which signs for it") if one.is_hosted else _("kept by the party")
    return KeyView(one.kid.hex()[:KID_CHARS], says, mark, w.date(one.added_ms))


def _contract(chain: ChainView, party: bytes, w: Wording) -> ContractView:
    """`claims` are steps of the split with a counter that the party takes."""
    contract = chain.now.contract
    mark, state = contracts.state_of(chain.now, w)
    named = next((one for one in contract.parties if one.id == party), None)
    assets = chain.now.assets_of(party)
    if named is not None:
        role = w.gettext(named.role.replace("-", " "))
    else:
        role = w.gettext("user of {assets}").format(assets=", ".join(assets)) if assets else w.gettext("earlier")
    falls = zip(chain.falls, contracts.falls(chain, w), strict=True)
    claims = tuple(
        (shown.counter, shown.percent)
        for fall, shown in falls
        if shown.percent is not None and any(to == party for to, _ in fall.step.to)
    )
    return ContractView(f"/contracts/{chain.chain.hex()}", contract.name, role, mark, state, claims)


def _amounts(sums: Mapping[str, int], w: Wording) -> tuple[tuple[str, Amount], ...]:
    return tuple((unit, exact(nano, w)) for unit, nano in sums.items())


def as_csv(cards: Sequence[CardView]) -> str:
    """The list as its page shows it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("name", "form", "roles", "account", "signs", "contracts", "owed_to", "owes"))
    for one in cards:
        money = (_joined(one.owed), _joined(one.owes))
        signs = "yes" if one.signs else "no"
        row = (one.name, one.form, one.roles, one.account, signs, one.contracts, *money)
        writer.writerow(harmless(cell) for cell in row)
    return out.getvalue()


def _joined(amounts: Sequence[tuple[str, Amount]]) -> str:
    return "; ".join(f"{unit} {amount}" for unit, amount in amounts)
