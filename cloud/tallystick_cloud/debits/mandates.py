"""Mandates as they are kept: added once, listed with how they stand, revoked.

It never changes one: a new account or a new name is a new mandate. Erasing a payer takes those that no bank saw.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.runs.store import lock

from . import store
from .errors import MandateRefused
from .mandate import (
    KEPT_MONTHS,
    History,
    Mandate,
    NewMandate,
    SequenceType,
    State,
    checked,
    mandate_id,
    months_after,
    sequence_of,
    state_of,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A mandate, how it stands today and what its next collection would be."""

    mandate: Mandate
    history: History
    state: State
    next_sequence: SequenceType


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many mandates went, and how many are kept for what was collected under them."""

    gone: int
    kept: int


def day_of(now_ms: int) -> date:
    """The day in UTC, as in all bank files."""
    return datetime.fromtimestamp(now_ms // 1000, UTC).date()


def add(conn: Connection, community: str, asked: NewMandate, now_ms: int) -> Shown:
    """Keep a signed mandate; the same again is the same. Raises BadInput or MandateRefused."""
    lock(conn, community)
    names = names_by_id(conn, community)
    if asked.payer == asked.collector:
        raise BadInput("payer", f"is {names[asked.payer]}, who would collect from itself")
    about = checked(asked, day_of(now_ms))
    for one in store.mandates(conn, community):
        if one.about == about and one.revoked_ms is None:
            return _shown(conn, community, one, now_ms)
        if one.about.reference == about.reference:
            detail = "is of another mandate, or of one that was revoked; every mandate has a reference of its own"
            raise MandateRefused(f"reference {about.reference}", detail)
        if one.revoked_ms is None and (one.about.collector, one.about.payer) == (about.collector, about.payer):
            who, whom = names[about.payer], names[about.collector]
            raise MandateRefused("payer", f"{who} has mandate {one.about.reference} for {whom}; revoke it first")
    made = Mandate(mandate_id(about.collector, about.reference), about)
    store.insert_mandate(conn, community, made, now_ms)
    return _shown(conn, community, made, now_ms)


def revoke(conn: Connection, community: str, reference: str, now_ms: int) -> Shown:
    """Nothing is collected under it any more; a debit that the bank has goes on. Raises NotFound."""
    lock(conn, community)
    found = next((one for one in store.mandates(conn, community) if one.about.reference == reference), None)
    if found is None:
        raise NotFound("mandate", f"{reference!r} is none of {community}; tallystick mandate list names them")
    if found.revoked_ms is None:
        store.revoke_mandate(conn, found.id, now_ms)
        found = Mandate(found.id, found.about, now_ms)
    return _shown(conn, community, found, now_ms)


def show_all(conn: Connection, community: str, now_ms: int, payer: bytes | None = None) -> list[Shown]:
    """All (or those of one payer), by reference."""
    history = store.history(conn, community, payer)
    return [_view(one, history, now_ms) for one in store.mandates(conn, community, payer)]


def forget(conn: Connection, community: str, payer: bytes, now_ms: int) -> Forgotten:
    """Erase a payer's mandates, but those that an account was debited under: these end, and are kept as long as the
    payer can claim the money back."""
    lock(conn, community)
    used = store.last_days(conn, community, payer)
    gone = kept = 0
    for one in store.mandates(conn, community, payer):
        last = used.get(one.id, one.about.used_day)
        if last is not None and day_of(now_ms) < months_after(last, KEPT_MONTHS):
            if one.revoked_ms is None:
                store.revoke_mandate(conn, one.id, now_ms)
            kept += 1
        else:
            store.delete_mandate(conn, one.id)
            gone += 1
    store.blank_cancelled(conn, community, payer)
    return Forgotten(gone, kept)


def standing(conn: Connection, community: str) -> dict[tuple[bytes, bytes], Mandate]:
    """(collector, payer) -> the mandate that is not revoked; it may be dormant."""
    kept = (one for one in store.mandates(conn, community) if one.revoked_ms is None)
    return {(one.about.collector, one.about.payer): one for one in kept}


def _shown(conn: Connection, community: str, one: Mandate, now_ms: int) -> Shown:
    return _view(one, store.history(conn, community), now_ms)


def _view(one: Mandate, history: Mapping[bytes, History], now_ms: int) -> Shown:
    past = history.get(one.id, History())
    return Shown(one, past, state_of(one, past, day_of(now_ms)), sequence_of(one.about, past))
