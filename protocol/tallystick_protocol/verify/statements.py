"""Last step: the party's statement says what the uses say, adds up, and follows the one before.
It never looks at another party's statement, and refuses a file that holds one.
"""

from tallystick_protocol.codes import LineKind, UseKind
from tallystick_protocol.ids import H32, use_id
from tallystick_protocol.settled_use import Use
from tallystick_protocol.statement import CENT_NANO, Statement
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, ensure
from tallystick_protocol.verify.compare import replaced
from tallystick_protocol.verify.report import Check, Misfit


def check_statements(case: Case) -> Check:
    """One own statement per settlement, its lines, its sums and its chain; raises Misfit."""
    for account in case.accounts:
        for statement in account.leaves.statements.values():
            ensure(statement.party == case.party, account.name, "shows the statement of another party")
        ensure(len(account.leaves.statements) <= 1, account.name, "holds two statements of your party")
    lines = 0
    closing, unit = 0, ""
    for account in case.verified():
        mine = _own(case, account)
        if mine is None:
            continue
        _check_chain(account, mine)
        _check_lines(case, account, mine)
        lines += len(mine.lines)
        closing, unit = mine.closing, account.settlement.unit
    text = f"your statement adds up ({words.count(lines, 'line')}); it closes at {words.amount(closing, unit)}"
    return Check("statement", True, text, {"lines": lines, "closing_nano": closing})


def _own(case: Case, account: Account) -> Statement | None:
    """None in a settlement from before the party came to the contract."""
    found = next(iter(account.leaves.statements.values()), None)
    if found is None and _is_due(case, account):
        raise Misfit(account.name, "comes without your statement")
    return found


def _is_due(case: Case, account: Account) -> bool:
    """Whoever a version names, or had a statement before, has one; and whoever is shown uses as their own."""
    had_one = account.before is not None and bool(account.before.leaves.statements)
    if had_one or (case.is_own and account.leaves.uses):
        return True
    return any(
        case.party in {party.id for party in version.contract.parties}
        or any(case.pays_for(version, index) for index in range(len(version.contract.assets)))
        for version in account.versions
    )


def _check_chain(account: Account, statement: Statement) -> None:
    where = f"your statement in {account.name}"
    before = None if account.before is None else next(iter(account.before.leaves.statements.values()), None)
    if statement.prev is None:
        ensure(before is None, where, "does not name the one before it")
        ensure(statement.opening == 0, where, f"is your first, but begins with {statement.opening} nano")
        return
    if before is None:
        raise Misfit(where, "follows one that is not in the file")
    ensure(statement.prev == before.hash, where, "follows another statement than the one you were shown")
    unit = account.settlement.unit
    opening, closing = words.amount(statement.opening, unit), words.amount(before.closing, unit)
    ensure(statement.opening == before.closing, where, f"begins with {opening}, the one before closed at {closing}")


def _check_lines(case: Case, account: Account, statement: Statement) -> None:
    where, unit = f"your statement in {account.name}", account.settlement.unit
    live = {use_id(u.channel_hash, u.number): u for u in account.leaves.uses.values() if u.kind is UseKind.LIVE}
    charges: dict[H32, int] = {}
    shares: dict[H32, int] = {}
    for line in statement.lines:
        match line.kind:
            case LineKind.CHARGE | LineKind.SHARE:
                rows = charges if line.kind is LineKind.CHARGE else shares
                ensure(line.ref not in rows, where, "has two lines of one kind for one use")
                ensure(
                    line.ref in live, where, f"has a line for a use that is not in the file ({words.short(line.ref)})"
                )
                rows[line.ref] = line.amount
            case LineKind.PAYOUT:
                fits = line.amount < 0 and line.amount % CENT_NANO == 0
                ensure(fits, where, "has a payout that is not a whole number of cents")
            case LineKind.PAYMENT:
                ensure(line.amount != 0, where, "has a payment of nothing")  # negative: a debit that the bank took back
            case LineKind.CORRECTION:
                ensure(line.amount != 0, where, "has a correction of nothing")
    for ref, amount in charges.items():
        fee = _change(case, account, live[ref])[0]
        charged, name = words.amount(-amount, unit), case.use_name(live[ref])
        ensure(amount == -fee, where, f"charges {charged} for {name}, its fee is {words.amount(fee, unit)}")
    for ref, use in live.items():
        share = _change(case, account, use)[1]
        given, name = words.amount(shares.get(ref, 0), unit), case.use_name(use)
        why = f"gives you {given} of {name}, your share is {words.amount(share, unit)}"
        ensure(shares.get(ref, 0) == share, where, why)
    _check_payer(case, where, live, charges)


def _change(case: Case, account: Account, use: Use) -> tuple[int, int]:
    """Fee and the party's share of a use; of a corrected one what they changed by."""
    fee, share = _amounts(case, account, use)
    old = replaced(case, use)
    if old is not None:
        was = _amounts(case, account, old)
        return fee - was[0], share - was[1]
    return fee, share


def _amounts(case: Case, account: Account, use: Use) -> tuple[int, int]:
    parties = account.versions[use.version].contract.parties
    mine = sum(share for index, share in use.shares if index < len(parties) and parties[index].id == case.party)
    return use.fee, mine


def _check_payer(case: Case, where: str, live: dict[H32, Use], charges: dict[H32, int]) -> None:
    """Scope own: every use shown is charged. Scope contract: all uses under your tags are, and no other payer's."""
    tags = {live[ref].tag for ref in charges}
    for ref, use in live.items():
        if ref not in charges and (case.is_own or use.tag in tags):
            raise Misfit(where, f"does not charge {case.use_name(use)}, which stands under your tag")
