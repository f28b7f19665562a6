"""A payout run for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from tallystick_cloud.counts import many
from tallystick_cloud.money import CENT_NANO, decimal, money
from tallystick_cloud.runs.model import Names
from tallystick_cloud.runs.report import Kind, head_json, text

from .checks import Run

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
                "iban": one.creditor.iban,
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
        amount = decimal(one.cents)
        rows.append(f"  {amount:>12}  {names[one.owed.party]}  ({one.contract})  {one.end_to_end}{outcome}")
    held = [
        f"{money(one.nano)} {one.unit}  {one.party}  ({one.contract})\n      {one.reason.value}: {one.next_step}"
        for one in run.held
    ]
    about = f"{stored.unit} to {many(len(run.payouts), 'payee')} on {stored.execution_day}"
    return text(KIND, run, names, about, rows, held)
