"""A payout run for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from tallystick_cloud.counts import many
from tallystick_cloud.money import CENT_NANO, decimal, money
from tallystick_cloud.runs.model import Names
from tallystick_cloud.runs.report import Kind, head_json, text

from .checks import Run
from .credit import Credit

KIND = Kind("payout", "bank", "when the bank has executed it, tallystick payout paid {number}")


def as_json(run: Run, names: Names) -> dict[str, object]:
    """`_nano` and `_cents` are strings of integers; ids are hex."""
    stored = run.stored
    return {
        **head_json(run, names),
        "unit": stored.unit,
        "execution_day": stored.execution_day,
        "file_sha256": None if stored.file_hash is None else stored.file_hash.hex(),
        "payouts": [
            {
                "id": one.id.hex(),
                "end_to_end": one.end_to_end,
                "party": names[one.owed.party],
                "contract": one.contract,
                "is_refund": one.owed.is_credit,
                "iban": one.creditor.iban,
                "is_other_account": one.owed.party in run.elsewhere,
                "entitlement_nano": str(one.owed.nano),
                "cents": str(one.cents),
                "remainder_nano": str(one.owed.nano - one.cents * CENT_NANO),
                "outcome": one.outcome,
            }
            for one in run.payouts
        ],
        "held": [
            {
                "party": one.party,
                "contract": one.contract,
                "unit": one.unit,
                "nano": str(one.nano),
                "reason": one.reason.value,
                "next_step": one.next_step,
            }
            for one in run.held
        ],
    }


def as_text(run: Run, names: Names) -> str:
    """A few lines: head, a line per payout, what is held back and why, what comes next."""
    stored, rows = run.stored, []
    for one in run.payouts:
        outcome = "" if one.outcome is None else f"  {one.outcome}"
        if one.owed.party in run.elsewhere:
            outcome = f"\n      another account than last time: {one.creditor.iban}; ask whether it is right"
        amount = decimal(one.cents)
        about = f"{one.contract}, paid back" if one.owed.is_credit else one.contract
        rows.append(f"  {amount:>12}  {names[one.owed.party]}  ({about})  {one.end_to_end}{outcome}")
    held = [
        f"{money(one.nano)} {one.unit}  {one.party}  ({one.contract})\n      {one.reason.value}: {one.next_step}"
        for one in run.held
    ]
    about = f"{stored.unit} to {many(len(run.payouts), 'payee')} on {stored.execution_day}"
    return text(KIND, run, names, about, rows, held)


def credit_json(one: Credit) -> dict[str, object]:
    """`credit_nano` and `refund_cents` are strings of integers; `refund_cents` "0" where `reason` says why."""
    return {
        "payer": one.payer,
        "collector": one.collector,
        "contract": one.contract,
        "unit": one.unit,
        "credit_nano": str(one.nano),
        "refund_cents": str(one.cents),
        "iban": None if one.to is None else one.to.iban,
        "reason": None if one.reason is None else one.reason.value,
        "next_step": one.next_step,
    }


def credit_text(one: Credit) -> str:
    """One line, and a second where it cannot be paid back."""
    head = f"{money(one.nano):>12} {one.unit}  {one.payer}  ({one.contract}), with {one.collector}"
    if one.reason is not None:
        return f"{head}\n      {one.reason.value}: {one.next_step}"
    return f"{head}: {decimal(one.cents)} can be paid back"
