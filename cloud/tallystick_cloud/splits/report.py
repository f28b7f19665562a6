"""A run of split instructions for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from tallystick_cloud.counts import many
from tallystick_cloud.money import decimal, money
from tallystick_cloud.runs.model import Names
from tallystick_cloud.runs.report import Kind, head_json, text

from .service import Run

TOLD = "take in what the provider says: tallystick split in FILE, or tallystick split paid {number}"
KIND = Kind("split", "provider", TOLD)


def as_json(run: Run, names: Names) -> dict[str, object]:
    """`_nano` and `_cents` are strings of integers; ids are hex."""
    return {
        **head_json(run, names),
        "unit": run.stored.unit,
        "execution_day": run.stored.execution_day,
        "payments": [
            {
                "payment": one.name,
                "payer": names[one.payer],
                "contract": one.contract,
                "payer_reference": one.reference,
                "payer_account": one.payer_account,
                "cents": str(one.cents),
                "outcome": one.outcome,
                "split": [
                    {
                        "party": part.name,
                        "party_account": part.provider_account,
                        "due_nano": str(part.due),
                        "cents": str(part.cents),
                    }
                    for part in one.parts
                ],
            }
            for one in run.payments
        ],
        "held": [
            {
                "payer": one.payer,
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
    """A few lines: head, a line per payment and part, what is held back and why, what comes next."""
    stored, rows = run.stored, []
    for one in run.payments:
        outcome = "" if one.outcome is None else f"  {one.outcome}"
        rows.append(f"  {decimal(one.cents):>12}  {names[one.payer]}  ({one.contract})  {one.name}{outcome}")
        rows += [f"      {decimal(part.cents):>12}  to {part.name}, {part.provider_account}" for part in one.parts]
    held = [
        f"{money(one.nano)} {one.unit}  {one.payer}  ({one.contract})\n      {one.reason.value}: {one.next_step}"
        for one in run.held
    ]
    about = f"{stored.unit} in {many(len(run.payments), 'payment')} on {stored.execution_day}"
    return text(KIND, run, names, about, rows, held)
