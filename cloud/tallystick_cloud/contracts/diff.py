"""What a new version changes, in words: every term of both, one beside the other where they differ.

It never compares text: two files that sign the same bytes have no difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_protocol.money.contract import Contract

from tallystick_cloud.contracts import words
from tallystick_cloud.http.locale import Wording


@dataclass(frozen=True, slots=True)
class Change:
    """`before` None: it is new; `after` None: it is gone."""

    about: str
    before: str | None
    after: str | None


def differences(old: Contract, new: Contract, w: Wording) -> tuple[Change, ...]:
    """In the order of the new contract, what is gone at the end."""
    before, after = statements(old, w), statements(new, w)
    found = [Change(about, before.get(about), says) for about, says in after.items() if before.get(about) != says]
    found += [Change(about, says, None) for about, says in before.items() if about not in after]
    return tuple(found)


def statements(contract: Contract, w: Wording) -> Mapping[str, str]:
    """Everything a contract says but the time it was written: what it is about -> what it says."""
    found = {
        "name": contract.name,
        "state": contract.state.value,
        "in force from": w.day_time(contract.effective_from_ms) + f" {w.when(contract.effective_from_ms).year}",
        "in force until": "" if contract.effective_to_ms is None else w.day_time(contract.effective_to_ms),
        "decision": contract.decision_ref or "",
    }
    found |= {f"party {one.name}": one.role for one in contract.parties}
    found |= {f"asset {one.asset}": _asset(one.quantity, contract, one.named_user) for one in contract.assets}
    found |= _prices(contract, w)
    found |= {one.name: one.says for one in words.extras(contract, w)}
    for number, step in enumerate(contract.split, 1):
        found[f"split, step {number}"] = f"{words.who(step, contract)}: {words.takes(step, contract, w)}"
    found |= {one.name: one.says for one in words.terms(contract, w)}
    notice = contract.notice
    found |= {"notice, what": notice.what, "notice, why": notice.why, "notice, who": notice.who}
    found["notice, kept"] = f"{notice.keep_days} days"
    return {about: says for about, says in found.items() if says}


def _asset(quantity: str, contract: Contract, user: bytes | None) -> str:
    if user is None:
        return f"{quantity}, paid by a user whom the contract does not name"
    return f"{quantity}, paid by {next(one.name for one in contract.parties if one.id == user)}"


def _prices(contract: Contract, w: Wording) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in words.price_list(contract, w):
        about = f"price of {line.band} ({line.when})" + (f", {line.reach}" if line.reach else "")
        found[about] = line.price
    return found
