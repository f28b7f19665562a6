"""What a new version changes, in words: every term of both, one beside the other where they differ.

It never compares text: two files that sign the same bytes have no difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tallystick_protocol.ids import NONCE_BYTES, PartyId, sha256
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


Payers = Mapping[bytes, str]
"""Commitment -> who is behind it, where that is known and the contract does not say."""


def differences(
    old: Contract, new: Contract, w: Wording, old_payers: Payers | None = None, new_payers: Payers | None = None
) -> tuple[Change, ...]:
    """In the order of the new contract, what is gone at the end. What has no words here is said to be another thing."""
    before, after = statements(old, w, old_payers or {}), statements(new, w, new_payers or {})
    found = [Change(about, before.get(about), says) for about, says in after.items() if before.get(about) != says]
    found += [Change(about, says, None) for about, says in before.items() if about not in after]
    found += _reordered(old, new)
    if not found and _form(old) != _form(new):
        found = [Change("something else that is signed", _form(old).hex()[:12], _form(new).hex()[:12])]
    return tuple(found)


def _reordered(old: Contract, new: Contract) -> list[Change]:
    """The order of the parties is the order in which a step rounds."""
    names = [[one.name for one in contract.parties] for contract in (old, new)]
    if names[0] == names[1] or sorted(names[0]) != sorted(names[1]):
        return []
    return [Change("order of the parties", ", ".join(names[0]), ", ".join(names[1]))]


def _form(contract: Contract) -> bytes:
    """Hash of what is signed but what is new in every version: its number, the version before, salts."""
    assets = tuple(
        replace(one, user=sha256(bytes([index & 255, index >> 8]))) if one.is_committed else one
        for index, one in enumerate(contract.assets)
    )
    return sha256(replace(contract, nonce=bytes(NONCE_BYTES), prev=None, version=1, assets=assets).encode())


def statements(contract: Contract, w: Wording, payers: Payers) -> Mapping[str, str]:
    """Everything a contract says but the time it was written: what it is about -> what it says."""
    found = {
        "name": contract.name,
        "community": contract.community,
        "unit": contract.unit,
        "time zone": contract.zone,
        "state": contract.state.value,
        "in force from": _moment(contract.effective_from_ms, w),
        "in force until": "" if contract.effective_to_ms is None else _moment(contract.effective_to_ms, w),
        "decision": contract.decision_ref or "",
    }
    found |= {f"party {one.name}": one.role for one in contract.parties}
    found |= _assets(contract, w, payers)
    found |= _pool(contract, w)
    found |= _metering(contract)
    found |= _prices(contract, w)
    found |= {one.name: one.says for one in words.extras(contract, w)}
    for number, step in enumerate(contract.split, 1):
        found[f"split, step {number}"] = f"{words.who(step, contract)}: {words.takes(step, contract, w)}"
        found[f"split, step {number}, counted as"] = step.counter or ""
    found |= {one.name: one.says for one in words.terms(contract, w)}
    found |= _rules(contract)
    notice = contract.notice
    found |= {"notice, what": notice.what, "notice, why": notice.why, "notice, who": notice.who}
    found["notice, kept"] = f"{notice.keep_days} days"
    return {about: says for about, says in found.items() if says}


def _moment(t_ms: int, w: Wording) -> str:
    return f"{w.date(t_ms)}, {w.time(t_ms)}"


def _metering(contract: Contract) -> dict[str, str]:
    tariff = contract.tariff
    counts, per = tariff.counts_per_unit, f" per {tariff.price_unit}"
    whole = str(counts.n) if counts.d == 1 else f"{counts.n}/{counts.d}"
    return {
        "form of uses": tariff.form.value,
        "the meter counts": f"10^{tariff.count_exponent} {tariff.count_unit}, {whole} of them{per}",
        "quantities are rounded up to": f"{tariff.step} counts" if tariff.step != 1 else "",
        "tiers and cap count": "all payers together" if tariff.shared else "",
    }


def _rules(contract: Contract) -> dict[str, str]:
    """The terms that the page of a contract leaves to its file."""
    t = contract.terms
    found = {
        "a hole is": f"more than {_minutes(t.max_gap_ms)} between readings",
        "readings without a time": f"after {t.unknown_time_days} days: {t.unknown_time.value}",
        "payouts are released by": t.payout_approval.value,
    }
    return found if contract.pool is not None else {"interval": _minutes(t.interval_ms), **found}


def _minutes(ms: int) -> str:
    return f"{ms // 60_000} minutes" if ms % 60_000 == 0 else f"{ms} ms"


def _assets(contract: Contract, w: Wording, payers: Payers) -> dict[str, str]:
    """Of a pool every direction of a meter is said by itself, with what it is in the pool."""
    found: dict[str, str] = {}
    for index, one in enumerate(contract.assets):
        says = _asset(one.quantity, contract, one.named_user, payers.get(one.user))
        if contract.pool is None:
            before = found.get(f"asset {one.asset}")
            found[f"asset {one.asset}"] = says if before is None else f"{before}; if claimed, {says.split(', ', 1)[1]}"
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
        "interval": _minutes(contract.terms.interval_ms),
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


def _asset(quantity: str, contract: Contract, user: bytes | None, payer: str | None) -> str:
    if user is not None:
        return f"{quantity}, paid by {contract.party_name(PartyId(user))}"
    if payer is not None:
        return f"{quantity}, paid by {payer}, whom the contract does not name"
    return f"{quantity}, paid by a user whom the contract does not name"


def _prices(contract: Contract, w: Wording) -> dict[str, str]:
    found: dict[str, str] = {}
    if contract.pool is not None:
        return found
    for line in words.price_list(contract, w):
        about = f"price of {line.band} ({line.when})" + (f", {line.reach}" if line.reach else "")
        found[about] = line.price
    return found
