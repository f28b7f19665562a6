"""What the bank said, for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from collections.abc import Mapping, Sequence

from tallystick_cloud.counts import many
from tallystick_cloud.money import decimal, money

from .due import Due
from .model import Standing
from .reference import in_groups
from .service import Position, Reported, RunKind, Taken
from .store import StoredEntry

Names = Mapping[bytes, str]
ID_CHARS = 12  # of an entry's id in words: enough to name one
IN_WORDS = {
    Standing.PAYOUT: ("payout", "payouts"),
    Standing.RETURN: ("return", "returns"),
    Standing.BATCH: ("whole run", "whole runs"),
    Standing.DEBIT: ("debit", "debits"),
    Standing.BLOCK: ("block of debits", "blocks of debits"),
    Standing.DEBIT_RETURN: ("debit taken back", "debits taken back"),
    Standing.PAYMENT: ("payment", "payments"),
    Standing.SUSPENSE: ("in suspense", "in suspense"),
    Standing.ASSIGNED: ("assigned", "assigned"),
}


def taken_json(one: Taken, names: Names) -> dict[str, object]:
    said = one.statement
    return {
        "statement": said.id,
        "iban": said.iban,
        "holder": names[one.holder],
        "opening_cents": str(said.opening_cents),
        "closing_cents": str(said.closing_cents),
        "closing_day": said.closing_day.isoformat(),
        "entries": len(said.entries),
        "known_before": one.again,
        "standings": {standing.value: count for standing, count in one.standings},
    }


def taken_text(one: Taken, names: Names) -> str:
    said = one.statement
    head = f"statement {said.id} of {names[one.holder]}, {said.closing_day}"
    if one.again:
        return f"{head}: taken before; nothing is changed"
    counts = ", ".join(many(count, *IN_WORDS[standing]) for standing, count in one.standings) or "no entries"
    closing = f"{decimal(said.closing_cents)} {said.currency}"
    lines = [f"{head}: {counts}; it closes at {closing}"]
    if any(standing is Standing.SUSPENSE for standing, _ in one.standings):
        lines.append("next: tallystick bank show --suspense, then tallystick bank assign ENTRY --party NAME")
    return "\n".join(lines)


def reported_json(one: Reported) -> dict[str, object]:
    return {
        "report": one.report.id,
        "what": one.what.value,
        "run": one.run,
        "status": one.report.status,
        "rejected": one.rejected,
        "known_before": one.again,
        "reasons": [
            {"end_to_end": line.end_to_end, "status": line.status, "reason": line.reason} for line in one.report.lines
        ],
    }


def reported_text(one: Reported) -> str:
    head = f"status report {one.report.id} about {one.what.value} {one.run}"
    if one.again:
        return f"{head}: taken before; nothing is changed"
    if not one.rejected:
        return f"{head}: nothing is rejected; a statement will show what was paid"
    again = "owed again; the next run pays them" if one.what is RunKind.PAYOUT else "due again"
    lines = [f"{head}: {one.rejected} rejected, {again}"]
    for line in one.report.lines:
        if line.is_rejected:
            lines.append(f"  {line.end_to_end or line.block or 'all'}: {line.reason or 'no reason given'}")
    return "\n".join(lines)


def entry_json(one: StoredEntry, names: Names) -> dict[str, object]:
    return {
        "entry": one.id.hex(),
        "statement": one.statement,
        "holder": names[one.holder],
        "day": one.day,
        "cents": str(one.cents),
        "currency": one.currency,
        "name": one.name,
        "iban": one.iban,
        "remittance": one.remittance,
        "standing": one.standing.value,
        "about": one.about,
    }


def entry_text(one: StoredEntry) -> str:
    amount = decimal(one.cents)
    who = " ".join(part for part in (one.name, one.remittance) if part)
    return f"{one.id.hex()[:ID_CHARS]}  {one.day}  {amount:>14} {one.currency}  {one.standing.value:8}  {one.about}" + (
        f"\n{'':14}{who}" if who else ""
    )


def due_json(one: Due) -> dict[str, object]:
    return {
        "payer": one.payer,
        "collector": one.holder,
        "iban": one.iban,
        "cents": str(one.cents),
        "disputed_cents": str(one.disputed),
        "reference": one.reference,
        "mandate": None if one.debit is None else one.debit.mandate,
    }


def due_text(one: Due) -> str:
    how = in_groups(one.reference) if one.debit is None else f"by direct debit, mandate {one.debit.mandate}"
    disputed = f"; {decimal(one.disputed)} more is disputed and not to be paid now" if one.disputed else ""
    return f"{decimal(one.cents):>12}  {one.payer} to {one.holder}  {how}{disputed}"


def position_json(one: Position, names: Names) -> dict[str, object]:
    return {
        "iban": one.iban,
        "holder": names[one.holder],
        "day": one.day,
        "bank_cents": str(one.bank_cents),
        "books_nano": str(one.books_nano),
        "unseen_nano": str(one.unseen_nano),
        "suspense": one.suspense,
    }


def position_text(one: Position, names: Names) -> str:
    bank, books = decimal(one.bank_cents), money(one.books_nano)
    lines = [f"{one.iban}, {names[one.holder]}, {one.day}: the bank says {bank}, the books say {books}"]
    if one.unseen_nano:
        lines.append(f"  {money(one.unseen_nano)} is booked by hand and in no statement yet")
    if one.suspense:
        lines.append(f"  {one.suspense} in suspense: tallystick bank show --suspense")
    return "\n".join(lines)


def all_json(positions: Sequence[Position], entries: Sequence[StoredEntry], names: Names) -> dict[str, object]:
    return {
        "accounts": [position_json(one, names) for one in positions],
        "entries": [entry_json(one, names) for one in entries],
    }
