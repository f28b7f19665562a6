"""What a new version changes, in words: every term of both, one beside the other where they differ.

It never compares text: two files that sign the same bytes have no difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.pool import Point, Pool

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
    found |= _assets(contract, w)
    found |= _pool(contract, w)
    found |= _prices(contract, w)
    found |= {one.name: one.says for one in words.extras(contract, w)}
    for number, step in enumerate(contract.split, 1):
        found[f"split, step {number}"] = f"{words.who(step, contract)}: {words.takes(step, contract, w)}"
    found |= {one.name: one.says for one in words.terms(contract, w)}
    notice = contract.notice
    found |= {"notice, what": notice.what, "notice, why": notice.why, "notice, who": notice.who}
    found["notice, kept"] = f"{notice.keep_days} days"
    return {about: says for about, says in found.items() if says}


def _assets(contract: Contract, w: Wording) -> dict[str, str]:
    """Of a pool every direction of a meter is said by itself, with what it is in the pool."""
    found = {}
    for index, one in enumerate(contract.assets):
        says = _asset(one.quantity, contract, one.named_user)
        if contract.pool is None:
            found[f"asset {one.asset}"] = says
        else:
            point = contract.pool.points[index]
            found[f"asset {one.asset}, {point.direction.value}"] = f"{says}; {_point(point, contract.pool, w)}"
    return found


def _point(point: Point, pool: Pool, w: Wording) -> str:
    says = [point.kind.value]
    if point.is_plant:
        says.append(f"class {pool.classes[point.price_class].name}")
    days = (("commissioned", point.since_ms), ("member from", point.from_ms), ("until", point.to_ms))
    says += [f"{what} {w.date(ms)}" for what, ms in days if ms is not None]
    if point.part is not None:
        says.append(f"{'offers' if point.is_plant else 'coefficient'} {words.ratio(point.part, w)}")
    return ", ".join([*says, "gets nothing"] if point.silent else says)


def _pool(contract: Contract, w: Wording) -> dict[str, str]:
    pool = contract.pool
    if pool is None:
        return {}
    found = {
        "shared energy comes from": f"plants by {pool.plants.value}",
        "shared energy goes to": f"consumers by {pool.consumers.value}",
        "shared energy is paid by": "consumers" if pool.payer is None else contract.party_name(pool.payer),
        "price series": pool.series or "",
        "paid on account": words.ratio(pool.advance, w) if pool.trued_up else "",
        "file of coefficients": pool.coefficients.hex() if pool.coefficients is not None else "",
        "interval": f"{contract.terms.interval_ms // 60_000} minutes",
    }
    if pool.above is not None:
        to = "households" if pool.above.to is None else contract.party_name(pool.above.to)
        found["shared above a part of what is injected"] = f"above {words.ratio(pool.above.portion, w)} to {to}"
    for one in pool.classes:
        knots = ", ".join(f"{worth} at {at}" if one.needs_series else str(worth) for at, worth in one.knots)
        more = f", plus {one.add}" if one.add is not None else ""
        factor = "" if one.factor.n == one.factor.d else f", times {words.ratio(one.factor, w)}"
        found[f"worth of class {one.name}"] = f"{contract.unit}/{contract.tariff.price_unit} {knots}{more}{factor}"
    return found


def _asset(quantity: str, contract: Contract, user: bytes | None) -> str:
    if user is None:
        return f"{quantity}, paid by a user whom the contract does not name"
    return f"{quantity}, paid by {next(one.name for one in contract.parties if one.id == user)}"


def _prices(contract: Contract, w: Wording) -> dict[str, str]:
    found: dict[str, str] = {}
    if contract.pool is not None:
        return found
    for line in words.price_list(contract, w):
        about = f"price of {line.band} ({line.when})" + (f", {line.reach}" if line.reach else "")
        found[about] = line.price
    return found
