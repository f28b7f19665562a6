"""Whether a contract fits the community that it is proposed to: its unit, dates, assets and meters.

It never looks at money or signatures, and never judges a version that is here already.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from fractions import Fraction

from sqlalchemy import Connection, func, select
from tallystick_protocol.errors import BadValue
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import DAY_MS, AssetTerms, Contract, ContractState, Mode, version_at
from tallystick_protocol.money.tariff import Form, Tariff
from tallystick_protocol.money.units import counts_per
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.assets.model import Plan, PlannedChannel, plan_from_json
from tallystick_cloud.assets.store import asset_ids
from tallystick_cloud.errors import BadInput
from tallystick_cloud.payouts.pain import CURRENCY
from tallystick_cloud.schema import community as communities
from tallystick_cloud.schema import contract_version, meter, period_close, pool_close, site, use_frame, use_row

from .errors import ContractRefused
from .model import Version, held_until
from .store import book

ENERGY_UNITS = frozenset({"Wh", "kWh", "MWh"})  # what the law on measuring instruments wants an approved meter for
AWAY_DAYS_MAX = 3660  # a contract that begins ten years from now, or began then, has a wrong digit in its year
BEGINS = (ContractState.DRAFT, ContractState.SHADOW, ContractState.LIVE)


def check_fits(conn: Connection, community: str, contract: Contract, before: Contract | None, now_ms: int) -> None:
    """`before`: the version that it follows. Raises ContractRefused naming field, reason and next step."""
    _check_unit(conn, community, contract)
    _check_mode(contract, before)
    if before is None and contract.state not in BEGINS:
        raise ContractRefused("contract.state", f"is {contract.state}; a first version is shadow or live")
    _check_dates(contract, now_ms)
    if contract.pool is None:  # the points of a pool are the grid's meters, which are no assets of the community
        _check_assets(conn, community, contract)
    if contract.state is ContractState.LIVE:
        check_meters(conn, community, contract, now_ms)


def _check_unit(conn: Connection, community: str, contract: Contract) -> None:
    unit = conn.execute(select(communities.c.unit).where(communities.c.id == community)).scalar_one()
    if contract.unit != unit:
        raise ContractRefused(
            "contract.unit", f"is {contract.unit!r}; the books of {community} are in {unit!r}; write that"
        )


def _check_mode(contract: Contract, before: Contract | None) -> None:
    """What a provider collects and what a bank does stand on accounts of different contracts, or nobody could tell
    them apart."""
    if before is not None and contract.mode is not before.mode and Mode.PSP in (contract.mode, before.mode):
        detail = f"is {contract.mode.value!r}, and version {before.version} has {before.mode.value!r}; who collects"
        step = "what was used before must not change: end this contract and propose a new one"
        raise ContractRefused("contract.mode", f"{detail} {step}")
    if contract.mode is not Mode.PSP:
        return
    if contract.pool is not None:
        detail = "is 'psp', and a pool closes on sums that no payment provider can split; write principal"
        raise ContractRefused("contract.mode", detail)
    if contract.unit != CURRENCY:
        detail = f"is 'psp', and a payment provider moves no {contract.unit}; write principal or direct"
        raise ContractRefused("contract.mode", detail)


def _check_dates(contract: Contract, now_ms: int) -> None:
    if abs(now_ms - contract.effective_from_ms) > AWAY_DAYS_MAX * DAY_MS:
        raise ContractRefused("contract.effective_from", "is more than ten years away; check the year")
    ends_ms = contract.effective_to_ms
    if contract.state is ContractState.LIVE and ends_ms is not None and ends_ms <= now_ms:
        raise ContractRefused("contract.effective_to", "is over already; leave it away or give a later day")


def _check_assets(conn: Connection, community: str, contract: Contract) -> None:
    """Assets that are here, and of those with a meter plan a channel that counts what the tariff counts."""
    known = asset_ids(conn, community)
    channels = _channels(conn, community)
    for index, terms in enumerate(contract.assets):
        at = f"contract.assets[{index}]"
        if terms.asset not in known:
            step = _meant(terms.asset, known, f"add it to {community} first")
            raise ContractRefused(f"{at}.asset", f"{terms.asset!r} is no asset of {community}; {step}")
        planned = [one for one in channels if one.asset == terms.asset]
        if planned:
            _check_channel(at, contract.tariff, terms, planned)


def _channels(conn: Connection, community: str) -> list[PlannedChannel]:
    plans = conn.execute(select(site.c.plan).where(site.c.community == community)).scalars()
    return [one for plan in plans for one in plan_from_json(plan).channels]


def _check_channel(at: str, tariff: Tariff, terms: AssetTerms, planned: Sequence[PlannedChannel]) -> None:
    found = [one for one in planned if one.quantity == terms.quantity]
    if not found:
        step = _meant(terms.quantity, {one.quantity for one in planned}, "see the meter plan of its site")
        raise ContractRefused(f"{at}.quantity", f"{terms.quantity!r} is not metered at {terms.asset!r}; {step}")
    for one in found:
        if one.form.value != tariff.form.value:
            detail = f"is {tariff.form.value!r}; {terms.quantity} at {terms.asset!r} has {one.form.value} uses"
            raise ContractRefused("contract.tariff.form", detail)
        if not _counts_alike(tariff, one):
            counts = f"10^{one.exponent} {one.unit}" if one.exponent else one.unit
            here = f"10^{tariff.count_exponent} {tariff.count_unit}" if tariff.count_exponent else tariff.count_unit
            detail = f"is {here!r}; the meter at {terms.asset!r} counts {counts!r}, so every fee would be wrong"
            raise ContractRefused("contract.tariff.counts", detail)


def _counts_alike(tariff: Tariff, planned: PlannedChannel) -> bool:
    per_unit = Fraction(tariff.counts_per_unit.n, tariff.counts_per_unit.d)
    try:
        return counts_per(tariff.price_unit, planned.unit, planned.exponent) == per_unit
    except BadValue:
        return False


def check_begins_late_enough(conn: Connection, chain: bytes, contract: Contract) -> None:
    """A version that begins before what earlier ones priced would be in force where it did not price: every proof of
    these uses would say so. Asked when it is proposed, and again when the last party agrees, for that takes time. The
    caller holds `lock_versions`: no use that is being booked is overlooked."""
    from_ms = contract.effective_from_ms
    earlier = select(contract_version.c.h).where(
        contract_version.c.chain == chain, contract_version.c.version < contract.version
    )
    frames = select(use_frame.c.id).where(use_frame.c.chain == chain, use_frame.c.contract.in_(earlier))
    priced = select(func.count(), func.max(use_row.c.start_ms)).where(
        use_row.c.frame.in_(frames), use_row.c.end_ms >= from_ms, use_row.c.start_ms >= from_ms
    )
    count, last_ms = conn.execute(priced).one()
    begins = f"is {_local(contract, from_ms)}, and"
    if count:
        seen = (
            f"{count} uses that began since (the last at {_local(contract, last_ms)}) are priced by an earlier version"
        )
        step = "and stay so; propose it again from a later moment on"
        raise ContractRefused("contract.effective_from", f"{begins} {seen} {step}")
    closed_ms = _closed_until(conn, chain, contract)
    if closed_ms is not None and closed_ms > from_ms:
        what = "it" if contract.pool is None else "the pool"
        seen = f"{what} is closed until {_local(contract, closed_ms)} by an earlier version"
        raise ContractRefused("contract.effective_from", f"{begins} {seen}; propose it again from then on")


def _closed_until(conn: Connection, chain: bytes, contract: Contract) -> int | None:
    """The end of the newest closed period: what is signed of it names the versions that held, used or not."""
    of = period_close if contract.pool is None else pool_close
    found: int | None = conn.execute(select(func.max(of.c.to_ms)).where(of.c.chain == chain)).scalar_one()
    return found


def check_begins_with_a_period(contract: Contract, earlier: Sequence[Contract]) -> None:
    """Where other rating periods begin (or other midnights, in another zone) one of those before must end, or days
    would stand in two periods and others in none. `earlier`: the versions in force before this one, which may hold
    again after it."""
    versions = [*earlier, contract]
    edges = contract.effective_from_ms, contract.effective_to_ms
    for edge_ms in (one for one in edges if one is not None):
        after, held = version_at(versions, edge_ms), held_until(versions, edge_ms - 1)
        if after is None or held is None:
            continue
        period, before = period_of(after, edge_ms), period_of(*held)
        if before != period and before.to_ms > period.from_ms:
            detail = f"has one from {_local(after, period.from_ms)} on, and one of the version before runs until"
            step = "change it where one ends and another one begins, or end this contract and propose a new one"
            until = _local(after, before.to_ms)
            raise ContractRefused("contract.terms.rating_period", f"{detail} {until}; {step}")


def _local(contract: Contract, t_ms: int) -> str:
    """A moment on the clocks of the contract's zone."""
    local = datetime.fromtimestamp(offsets_of(contract.zone).local(t_ms) / 1000, UTC)
    return local.strftime("%Y-%m-%d %H:%M")


def check_meters(conn: Connection, community: str, contract: Contract, now_ms: int) -> None:
    """A live price per kWh needs approved and verified meters; refuse with the meter's name."""
    if not _needs_approval(contract):
        return
    assets = [terms.asset for terms in contract.assets]
    rows = conn.execute(
        select(meter.c.id, meter.c.type_approval, meter.c.verified_until_ms).where(
            meter.c.community == community, meter.c.asset.in_(assets), meter.c.bound_to_ms.is_(None)
        )
    )
    for name, approval, until_ms in rows:
        if approval is None:
            raise ContractRefused("contract.assets", f"meter {name!r} has no type approval; use state = shadow")
        if until_ms is not None and until_ms < now_ms:
            raise ContractRefused("contract.assets", f"meter {name!r} is past its verification; have it verified")


def check_plan(conn: Connection, community: str, site_id: str, plan: Plan, now_ms: int) -> None:
    """The same from the other side: meters that come to an asset after its contract. They count as the contract prices,
    and are approved where it is live and by the kWh.

    Raises BadInput naming site, channel and field.
    """
    versions = list(_from_now_on(book(conn, community).versions, now_ms))
    _check_counts(versions, site_id, plan)
    priced = {
        (terms.asset, terms.quantity): version.contract.name
        for version in versions
        if version.live and _needs_approval(version.contract)
        for terms in version.contract.assets
    }
    for planned in plan.channels:
        name = priced.get((planned.asset, planned.quantity))
        if name is None:
            continue
        at = f"site {site_id!r}, channel {planned.number}"
        why = f"{name!r} is live and charges {planned.asset!r} by energy"
        if planned.type_approval is None:
            step = "write the meter's approval, or put the contract in shadow first"
            raise BadInput(f"{at}, type_approval", f"is missing; {why}: {step}")
        if planned.verified_until_ms is not None and planned.verified_until_ms < now_ms:
            step = "have the meter verified and write the new date, or put the contract in shadow first"
            raise BadInput(f"{at}, verified_until_ms", f"is over; {why}: {step}")


def _check_counts(versions: Iterable[Version], site_id: str, plan: Plan) -> None:
    """Every fee of a channel that counts otherwise than its contract says would be wrong."""
    priced = {
        (terms.asset, terms.quantity): version.contract
        for version in versions
        if version.contract.pool is None  # the points of a pool are the grid's meters
        for terms in version.contract.assets
    }
    for planned in plan.channels:
        contract = priced.get((planned.asset, planned.quantity))
        if contract is None:
            continue
        at, tariff = f"site {site_id!r}, channel {planned.number}", contract.tariff
        if planned.form.value != tariff.form.value:
            raise BadInput(f"{at}, form", f"is {planned.form.value}; {contract.name!r} prices {tariff.form.value} uses")
        if not _counts_alike(tariff, planned):
            here = f"10^{tariff.count_exponent} {tariff.count_unit}"
            counts = f"10^{planned.exponent} {planned.unit}"
            detail = f"counts in {counts}, and {contract.name!r} prices {here}: every fee would be wrong"
            raise BadInput(f"{at}, unit", f"{detail}; write what the register gives, in the contract's unit")


def _needs_approval(contract: Contract) -> bool:
    return contract.tariff.form is Form.INTERVAL and contract.tariff.count_unit in ENERGY_UNITS


def _from_now_on(versions: Sequence[Version], now_ms: int) -> Iterable[Version]:
    """Of each contract the version that holds now, and those to come."""
    chains: dict[bytes, list[Contract]] = {}
    for one in versions:
        chains.setdefault(one.chain, []).append(one.contract)
    holding = {id(version_at(contracts, now_ms)) for contracts in chains.values()}
    return (one for one in versions if id(one.contract) in holding or one.contract.effective_from_ms > now_ms)


def _meant(name: str, known: Iterable[str], otherwise: str) -> str:
    close = get_close_matches(name, sorted(known), 1)
    return f"did you mean {close[0]!r}?" if close else otherwise
