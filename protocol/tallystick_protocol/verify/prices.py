"""Eleventh step: every price and share computed again, with the same rules that the books use.
Scope `contract` starts from the settlement's openings; scope `own` takes the split's counters as committed.
"""

from tallystick_protocol.codes import UseKind
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.money.calendar import Period, days_in
from tallystick_protocol.money.contract import ContractState, InForce, in_force, version_at
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import Usage, minimum_usage, rebate_usage, standing_usage
from tallystick_protocol.money.usage import UsageForm, counter_scope, form_at_close
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, ensure, is_metered
from tallystick_protocol.verify.compare import contract_of, live_uses, usage_of
from tallystick_protocol.verify.prices_contract import check_contract_prices
from tallystick_protocol.verify.prices_own import check_own_prices
from tallystick_protocol.verify.report import Check, Misfit

_KINDS = {ContractState.LIVE: UseKind.LIVE, ContractState.SHADOW: UseKind.SHADOW}


def check_prices(case: Case) -> Check:
    """Rate all shown uses again and compare; raises Misfit."""
    fees = uses = 0
    for account in case.verified():
        try:
            _check_offsets(account)
            for use in account.leaves.uses.values():
                _check_version(case, account, use)
            _check_rebates(case, account)
            _check_standing(case, account)
            if case.is_own:
                check_own_prices(case, account)
            else:
                check_contract_prices(case, account)
        except (ProtocolError, InvariantError) as error:
            raise Misfit(account.name, f"cannot be priced again ({error})") from None
        uses += len(account.leaves.uses)
        fees += sum(use.fee for use in account.leaves.uses.values())
    unit = case.verified()[0].settlement.unit
    text = f"{words.count(uses, 'use')} priced again: {words.amount(fees, unit)} in all, to the last digit"
    if case.is_own:
        text += "; the split was checked from the counters that the settlement commits to"
    return Check("prices", True, text, {"uses": uses, "fees_nano": fees})


def _check_offsets(account: Account) -> None:
    """The settlement's clock offsets are those of the contract's zone."""
    settlement = account.settlement
    zone = account.versions[-1].contract.zone
    first = min([settlement.from_ms, *(use.start_ms for use in account.leaves.uses.values())])
    rows = settlement.offsets
    ensure(bool(rows) and rows[0][0] <= first, account.name, "does not record the clock offsets of its first use")
    expected = tuple(offsets_of(zone).rows(rows[0][0], settlement.to_ms))
    ensure(rows == expected, account.name, f"records other clock offsets than those of {zone}")


def _check_version(case: Case, account: Account, use: Use) -> None:
    """The version in force when the use began, and the kind of use that this version's state makes."""
    name = case.use_name(use)
    contracts = [version.contract for version in account.versions]
    applied, in_force = contracts[use.version], version_at(contracts, use.start_ms)
    if in_force is None:
        raise Misfit(name, f"began {words.moment(use.start_ms)}, when no version of the contract was in force")
    why = f"was priced by version {applied.version} of the contract, but version {in_force.version} was in force"
    ensure(applied is in_force, name, why)
    if use.kind is not UseKind.LIVE:
        ensure(not any(share for _, share in use.shares) and not use.counters, name, "is not live, but moves money")
    kind = _KINDS.get(applied.state)  # never a test: nothing that anybody signs says that a use was one
    ensure(use.kind is kind, name, f"is {use.kind.name.lower()} under a contract that is {applied.state}")
    beneficiaries = plan_of(applied, account.chain).waterfall.beneficiaries
    order = {party.id: index for index, party in enumerate(applied.parties)}
    shared = [party for party, _ in use.shares]
    ensure(
        shared == [order[party] for party in beneficiaries], name, "shares its fee among others than the contract names"
    )
    closing = form_at_close(use.channel_hash)
    if closing is not None:
        _check_closing(case, account, use, closing)


def _check_closing(case: Case, account: Account, use: Use, form: UsageForm) -> None:
    """What a closing made stands at the end of its payer's rating period; a payer sees that it is one's own."""
    expected = _closing_of(case, account, use, form)
    name = case.use_name(use)
    same = (use.number, use.start_ms, use.end_ms) == (expected.number, expected.start_ms, expected.end_ms)
    ensure(same, name, "does not stand at the end of its period")
    days = (use.from_total, use.to_total) == (expected.from_total, expected.to_total)
    ensure(days, name, f"is for days {use.from_total} to {use.to_total}, not those in which its version stood")
    mine = not case.is_own or use.channel_hash == expected.channel_hash
    ensure(mine, name, "is another payer's")


def _closing_of(case: Case, account: Account, use: Use, form: UsageForm) -> Usage:
    """What a closing makes in the place of this use, were the party its payer."""
    contracts = [version.contract for version in account.versions]
    contract = contracts[use.version]
    period, scope = plan_of(contract, account.chain).period(use.end_ms), counter_scope(account.chain, use.kind)
    if form is UsageForm.MINIMUM:
        return minimum_usage(scope, contract, case.party, period)
    spans = in_force(contracts, contract.state, period.from_ms, period.to_ms)
    if form is UsageForm.REBATE:
        return rebate_usage(scope, case.party, period, spans[0].until_ms if spans else period.to_ms)
    span = next((span for span in spans if span.from_ms == use.number), None)
    if span is None:
        raise Misfit(case.use_name(use), "does not begin with a version of its contract")
    return standing_usage(scope, case.party, period, span.from_ms, _days(account, period, span))


def _days(account: Account, period: Period, span: InForce) -> tuple[int, int]:
    offsets = plan_of(span.contract, account.chain).offsets
    return days_in(period, span.from_ms, offsets), days_in(period, span.until_ms, offsets)


def _check_standing(case: Case, account: Account) -> None:
    """Whoever used something while a version with a standing charge stood has been charged for those days.

    Of a shared asset nobody but the payer knows whether the payer owes one."""
    if case.is_own:
        return
    uses = live_uses(account)
    given = {(u.tag, u.end_ms, u.number) for u in uses if form_at_close(u.channel_hash) is UsageForm.STANDING}
    contracts = [version.contract for version in account.versions]
    for use in uses:
        contract = contract_of(account, use)
        if not is_metered(use) or contract.tariff.standing_charge is None or contract.has_sharers:
            continue
        period = plan_of(contract, account.chain).period(use.end_ms)
        if period.to_ms > account.settlement.to_ms:
            continue
        for span in in_force(contracts, ContractState.LIVE, period.from_ms, period.to_ms):
            first, last = _days(account, period, span)
            if span.contract is contract and span.from_ms <= use.start_ms < span.until_ms and first < last:
                why = "has no standing charge beside it, but its period is over and its contract has one"
                ensure((use.tag, period.to_ms, span.from_ms) in given, case.use_name(use), why)


def _check_rebates(case: Case, account: Account) -> None:
    """Whoever used something in a period that is over and may have a rebate has one, as it stands after that use.

    A use that ran when other rating periods began stands in one of the old kind, which nobody closes any more."""
    uses = live_uses(account)
    given = {(use.tag, use.end_ms) for use in uses if form_at_close(use.channel_hash) is UsageForm.REBATE}
    contracts = [version.contract for version in account.versions]
    for use in uses:
        if not is_metered(use) or use.reversals or not use.counters or use.from_total == use.to_total:
            continue
        plan = plan_of(contract_of(account, use), account.chain)
        period = plan.period(use.end_ms)
        if period.to_ms > account.settlement.to_ms:
            continue
        spans = in_force(contracts, ContractState.LIVE, period.from_ms, period.to_ms)
        name = use.programme if use.slices is not None else plan.names[plan.band(usage_of(case, use, case.party))]
        if not spans or not any(band.volume and band.name == name for band in spans[0].contract.tariff.bands):
            continue
        if plan_of(spans[0].contract, account.chain).period(period.to_ms) != period:
            continue
        why = "has no rebate beside it, but its period is over and its contract has volume tiers"
        ensure((use.tag, period.to_ms) in given, case.use_name(use), why)
