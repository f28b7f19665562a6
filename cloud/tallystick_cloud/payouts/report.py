"""A payout run for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings.
"""

from collections.abc import Mapping

from . import epc, model
from .checks import Run

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
                "remainder_nano": str(one.owed.nano - one.cents * model.CENT_NANO),
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
    """A few lines: head, a line per payout, a line per thing held back, what comes next."""
    stored = run.stored
    head = f"payout run {stored.number} of {names[stored.collector]}: {stored.state.value}, "
    payees = f"{len(run.payouts)} payee{'' if len(run.payouts) == 1 else 's'}"
    lines = [f"{head}{epc.decimal(run.cents)} {stored.unit} to {payees} on {stored.execution_day}"]
    for one in run.payouts:
        outcome = "" if one.outcome is None else f"  {one.outcome}"
        amount = epc.decimal(one.cents)
        lines.append(f"  {amount:>12}  {names[one.owed.party]}  ({one.contract})  {one.end_to_end}{outcome}")
    for held in run.held:
        lines.append(f"  held back {model.money(held.nano)} {held.unit}  {held.party}  ({held.contract})")
        lines.append(f"      {held.reason.value}: {held.next_step}")
    lines += [f"missing: {one}" for one in run.missing]
    at_bank = f"when the bank has executed it, tallystick payout paid {stored.number}"
    lines.append(f"next: {next_step('payout', stored.number, stored.state, at_bank)}")
    return "\n".join(lines)


def next_step(word: str, number: int, state: model.RunState, at_bank: str, who: str = "bank") -> str:
    """What comes next for a run; `word`: its group of commands, `at_bank`: the step when `who` has the file."""
    match state:
        case model.RunState.PROPOSED:
            return f"tallystick {word} approve {number}, by somebody other than the proposer"
        case model.RunState.APPROVED:
            return f"tallystick {word} file {number} --out FILE"
        case model.RunState.WRITTEN:
            return f"give the file to the {who}, then tallystick {word} sent {number}"
        case model.RunState.SENT:
            return at_bank
        case model.RunState.SETTLED | model.RunState.CANCELLED:
            return "nothing"
