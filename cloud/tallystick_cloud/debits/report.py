"""Mandates and debit runs for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from tallystick_cloud.counts import many
from tallystick_cloud.money import decimal, money
from tallystick_cloud.runs.model import Names
from tallystick_cloud.runs.report import Kind, head_json, text

from .mandate import State, dormant_on
from .mandates import Shown
from .service import Run, blocks_of

KIND = Kind("debit", "bank", "take in what the bank says: tallystick bank in FILE")


def mandate_json(one: Shown, names: Names) -> dict[str, object]:
    about, last = one.mandate.about, one.history.last_day or one.mandate.about.used_day
    return {
        "reference": about.reference,
        "state": one.state.value,
        "payer": names[about.payer],
        "collector": names[about.collector],
        "creditor_id": about.creditor_id,
        "account_holder": about.debtor.name,
        "iban": about.debtor.iban,
        "signed": about.signed_day.isoformat(),
        "last_used": None if last is None else last.isoformat(),
        "dormant_on": dormant_on(about, one.history).isoformat(),
        "next_sequence": one.next_sequence.value,
        "notice_days": about.notice_days,
    }


def mandate_text(one: Shown, names: Names) -> str:
    about = one.mandate.about
    head = f"{about.reference}  {one.state.value}  {names[about.payer]} to {names[about.collector]}"
    account = f"{about.debtor.iban}, {about.debtor.name}; signed {about.signed_day}"
    if one.state is not State.ACTIVE:
        return f"{head}\n  {account}; nothing is collected under it"
    told = f"{about.notice_days} days of notice, next collection {one.next_sequence.value}"
    return f"{head}\n  {account}; {told}, dormant on {dormant_on(about, one.history)} when it is not used"


def as_json(run: Run, names: Names) -> dict[str, object]:
    """`_nano` and `_cents` are strings of integers; ids are hex."""
    stored = run.stored
    return {
        **head_json(run, names),
        "collection_day": stored.collection_day.isoformat(),
        "file_sha256": None if stored.file_hash is None else stored.file_hash.hex(),
        "blocks": {name: len(debits) for name, debits in blocks_of(run).items()},
        "debits": [
            {
                "id": one.id.hex(),
                "end_to_end": one.end_to_end,
                "payer": names[one.party],
                "mandate": one.reference,
                "sequence": one.sequence.value,
                "iban": one.debtor.iban,
                "due_nano": str(one.due),
                "cents": str(one.cents),
                "outcome": one.outcome,
                "reason": one.reason,
            }
            for one in run.debits
        ],
        "held": [
            {"payer": one.payer, "nano": str(one.nano), "reason": one.reason.value, "next_step": one.next_step}
            for one in run.held
        ],
    }


def as_text(run: Run, names: Names) -> str:
    """A few lines: head, a line per debit, what is held back and why, what comes next."""
    rows = []
    for one in run.debits:
        outcome = "" if one.outcome is None else f"  {one.outcome}" + (f" ({one.reason})" if one.reason else "")
        mandate = f"{one.reference} {one.sequence.value}"
        rows.append(f"  {decimal(one.cents):>12}  {names[one.party]}  ({mandate})  {one.end_to_end}{outcome}")
    held = [f"{money(one.nano)} EUR  {one.payer}\n      {one.reason.value}: {one.next_step}" for one in run.held]
    about = f"EUR from {many(len(run.debits), 'payer')} on {run.stored.collection_day}"
    return text(KIND, run, names, about, rows, held)
