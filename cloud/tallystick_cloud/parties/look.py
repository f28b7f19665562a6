"""People and organisations as an office looks at them: roles, account, keys, contracts, money; each look leaves a row.

It never shows a whole bank account, and never shows anybody of another community.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from tallystick_cloud.contracts import look as contracts
from tallystick_cloud.contracts.look import ChainView
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import NotFound
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.schema import balance, party, party_account, party_key, role_grant
from tallystick_cloud.uses.store import insert_access

from . import store

LIST = ("list of parties", "to look after members")
ONE = ("record of a party", "to look after members")
ACCOUNT_CHANGE = ("bank account of a party", "to say where money goes")
"""(resource, purpose) of access rows."""


@dataclass(frozen=True, slots=True)
class Money:
    """By unit, in nano: what the others owe to a party, what it owes them, and what waits unclaimed for it."""

    owed: Mapping[str, int] = field(default_factory=dict)
    owes: Mapping[str, int] = field(default_factory=dict)
    unclaimed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Card:
    """One line of the list; `iban` as it is stored, for the view to mask."""

    id: bytes
    name: str
    form: str
    roles: tuple[str, ...]
    iban: str | None
    has_key: bool
    contracts: int
    money: Money


@dataclass(frozen=True, slots=True)
class Span:
    """A role or an account (`what` as it is stored) with its days; `to_ms` None: it holds."""

    what: str
    holder: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, slots=True)
class Key:
    """A key that a party signs with; `is_hosted`: this server keeps it."""

    kid: bytes
    is_hosted: bool
    added_ms: int
    revoked_ms: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """All that the office knows of one party."""

    id: bytes
    name: str
    form: str
    email: str | None
    since_ms: int
    roles: tuple[Span, ...]
    accounts: tuple[Span, ...]
    keys: tuple[Key, ...]
    contracts: tuple[ChainView, ...]
    money: Money


def cards(conn: Connection, community: str, actor: bytes | None, now_ms: int) -> list[Card]:
    """Everybody, by name. Writes an access row: call it in a write."""
    roles, accounts = store.roles(conn, community), store.accounts(conn, community)
    signing, named, money = store.with_key(conn, community), _contracts(conn, community), _money(conn, community)
    found = [
        Card(
            row.id,
            row.name,
            row.form,
            roles.get(row.id, ()),
            accounts[row.id][0] if row.id in accounts else None,
            row.id in signing,
            named.get(row.id, 0),
            money.get(row.id, Money()),
        )
        for row in store.rows(conn, community)
    ]
    write_down(conn, community, actor, None, LIST, len(found), now_ms)
    return found


def record(conn: Connection, community: str, party_id: bytes, actor: bytes | None, now_ms: int) -> Record:
    """One party; raises NotFound. Writes an access row: call it in a write."""
    row = conn.execute(select(party).where(party.c.community == community, party.c.id == party_id)).one_or_none()
    if row is None:
        raise NotFound("party", "is none of this community; load the list again")
    write_down(conn, community, actor, party_id, ONE, 1, now_ms)
    return Record(
        party_id,
        row.name,
        row.form,
        row.email,
        row.created_ms,
        _roles(conn, community, party_id),
        _accounts(conn, community, party_id),
        _keys(conn, community, party_id),
        tuple(contracts.chains_of(conn, community, party_id, False, now_ms)),
        _money(conn, community, party_id).get(party_id, Money()),
    )


def write_down(
    conn: Connection,
    community: str,
    actor: bytes | None,
    of: bytes | None,
    what: tuple[str, str],
    rows: int,
    now_ms: int,
) -> None:
    """Who looked at, or changed, what of whom; `what`: (resource, purpose)."""
    resource, purpose = what
    row = {"community": community, "actor": actor, "on_behalf": of, "resource": resource, "purpose": purpose}
    insert_access(conn, {**row, "basis": "office", "contract": None, "row_count": rows, "at_ms": now_ms})


def _roles(conn: Connection, community: str, party_id: bytes) -> tuple[Span, ...]:
    of = role_grant.c
    rows = conn.execute(select(role_grant).where(of.community == community, of.party == party_id).order_by(of.id))
    return tuple(Span(row.role, "", row.granted_ms, row.revoked_ms) for row in rows)


def _accounts(conn: Connection, community: str, party_id: bytes) -> tuple[Span, ...]:
    """The newest first."""
    of = party_account.c
    query = select(party_account).where(of.community == community, of.party == party_id)
    rows = conn.execute(query.order_by(of.valid_from_ms.desc(), of.id.desc()))
    return tuple(Span(row.iban, row.holder, row.valid_from_ms, row.valid_to_ms) for row in rows)


def _keys(conn: Connection, community: str, party_id: bytes) -> tuple[Key, ...]:
    of = party_key.c
    rows = conn.execute(select(party_key).where(of.community == community, of.party == party_id).order_by(of.added_ms))
    return tuple(Key(bytes(row.kid), row.storage_class == "hosted", row.added_ms, row.revoked_ms) for row in rows)


def _contracts(conn: Connection, community: str) -> dict[bytes, int]:
    """party -> how many contracts name it, or let it pay, in their newest version."""
    newest = {version.chain: version for version in book(conn, community).versions}
    found: dict[bytes, int] = defaultdict(int)
    for version in newest.values():
        for one in {*(bytes(each.id) for each in version.contract.parties), *map(bytes, version.payers)}:
            found[one] += 1
    return found


def _money(conn: Connection, community: str, party_id: bytes | None = None) -> dict[bytes, Money]:
    """What stands between a party and the others, all contracts together."""
    of = balance.c
    mine: Sequence[object] = () if party_id is None else (of.party == party_id,)
    query = (
        select(of.party, of.account, of.unit, func.sum(of.amount))
        .where(of.community == community, of.party != of.holder, of.account.in_(_SIDES), *mine)  # type: ignore[arg-type]
        .group_by(of.party, of.account, of.unit)
    )
    found: dict[bytes, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for who, account, unit, amount in conn.execute(query):
        side, sign = _SIDES[account]
        found[bytes(who)][side][unit] += sign * int(amount)
    return {
        who: Money(**{side: _nonzero(sums.items()) for side, sums in sides.items()}) for who, sides in found.items()
    }


def _money_of(sides: Mapping[str, Mapping[str, int]]) -> Money:
    return Money(**{side: _nonzero(sums.items()) for side, sums in sides.items()})


_SIDES = {
    Account.PAYABLE.value: ("owed", -1),
    Account.FUND.value: ("owed", -1),
    Account.RECEIVABLE.value: ("owes", 1),
    Account.UNCLAIMED.value: ("unclaimed", -1),
}
"""account -> (side of Money, sign): what is owed to somebody grows to the negative."""


def _nonzero(sums: Iterable[tuple[str, int]]) -> dict[str, int]:
    return {unit: nano for unit, nano in sorted(sums) if nano}
