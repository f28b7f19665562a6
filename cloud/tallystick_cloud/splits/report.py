"""A run of split instructions for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from collections.abc import Mapping

from tallystick_cloud.payouts import epc
from tallystick_cloud.payouts.model import money
from tallystick_cloud.payouts.report import next_step

from .service import Run

Names = Mapping[bytes, str]


def as_json(run: Run, names: Names) -> dict[str, object]:
    """`_nano` and `_cents` are strings of integers; ids are hex."""
    stored = run.stored
    return {
        "run": stored.number,
        "id": stored.id.hex(),
        "state": stored.state.value,
        "collector": names[stored.collector],
        "unit": stored.unit,
        "execution_day": stored.execution_day,
        "proposer": names[stored.proposer],
        "approved_by": [names[party] for party in run.approvers],
        "missing": list(run.missing),
        "total_cents": str(run.cents),
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
    """A few lines: head, a line per payment and part, a line per thing held back, what comes next."""
    stored = run.stored
    payers = f"{len(run.payments)} payment{'' if len(run.payments) == 1 else 's'}"
    head = f"split run {stored.number} of {names[stored.collector]}: {stored.state.value}, "
    lines = [f"{head}{epc.decimal(run.cents)} {stored.unit} in {payers} on {stored.execution_day}"]
    for one in run.payments:
        outcome = "" if one.outcome is None else f"  {one.outcome}"
        lines.append(f"  {epc.decimal(one.cents):>12}  {names[one.payer]}  ({one.contract})  {one.name}{outcome}")
        lines += [f"      {epc.decimal(part.cents):>12}  to {part.name}, {part.provider_account}" for part in one.parts]
    for held in run.held:
        lines.append(f"  held back {money(held.nano)} {held.unit}  {held.payer}  ({held.contract})")
        lines.append(f"      {held.reason.value}: {held.next_step}")
    lines += [f"missing: {one}" for one in run.missing]
    told = f"take in what the provider says: tallystick split in FILE, or tallystick split paid {stored.number}"
    lines.append(f"next: {next_step('split', stored.number, stored.state, told, 'provider')}")
    return "\n".join(lines)
