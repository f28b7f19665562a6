"""Last step with a pool's file: the member's statement says what the intervals say, adds up, follows the one before,
and takes back what an earlier close of the same time had given.
It never looks at another party's statement.
"""

from dataclasses import dataclass

from tallystick_protocol.codes import LineKind
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.pool_settlement import OpenedStatement, PoolProof, PoolSettlement
from tallystick_protocol.salted_tree import Leaf, verify_leaf
from tallystick_protocol.statement import CENT_NANO, Statement
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import ensure
from tallystick_protocol.verify.pool_log import Earlier, Logged
from tallystick_protocol.verify.report import Check, Misfit

WHERE = "your statement"


@dataclass(frozen=True, slots=True)
class Moved:
    """What a close gives a party (`share`, not negative) and takes from it (`charge`, not positive), in nano."""

    share: int
    charge: int


def check_statement(proof: PoolProof, found: Logged, moved: Moved) -> list[Check]:
    """The member's statement of a whole close; nothing to check in a pool of before there were any. Raises Misfit."""
    settlement = found.settlement
    if settlement.statements is None:
        ensure(proof.statement is None and not proof.earlier, WHERE, "is in no close that has statements")
        return []
    if proof.statement is None:
        raise Misfit(WHERE, "is missing, and the close has statements")
    statement = _opened(proof.statement, settlement, proof.party, WHERE)
    before = {one.h: one for one in found.earlier}
    ensure(len(before) == len(found.earlier), "earlier close", "is there twice")
    said = {h: _opened(one.opened, one.settlement, proof.party, "an earlier statement") for h, one in before.items()}
    if settlement.prev is None:
        ensure(settlement.number == 1, "close", f"is number {settlement.number} of its time, and none is before it")
    elif settlement.prev in before:
        _check_number(before[settlement.prev].settlement, settlement)
    for one in said.values():
        _check_first(one, "an earlier statement")
    _check_chain(statement, settlement, said)
    _check_lines(statement, settlement, moved)
    _check_corrections(statement, settlement, before, said)
    asked = {line.ref for line in statement.lines if line.kind is LineKind.CORRECTION} | {settlement.prev}
    asked |= {one.h for one in found.earlier if _replaced(one.settlement, settlement)}
    ensure(before.keys() <= asked, "the file", "brings an earlier close that your statement does not speak of")
    text = f"your account adds up ({words.count(len(statement.lines), 'line')}); it closes at "
    text += words.amount(statement.closing, settlement.unit)
    return [Check("statement", True, text, {"lines": len(statement.lines), "closing_nano": statement.closing})]


def _opened(one: OpenedStatement, settlement: PoolSettlement, party: PartyId, where: str) -> Statement:
    if settlement.statements is None:
        raise Misfit(where, "is in no close that has statements")
    try:
        verify_leaf(settlement.statements, one.index, Leaf(one.salt, one.statement.encode()), one.path)
    except ProtocolError as error:
        raise Misfit(where, f"is not in its close ({error.reason})") from None
    statement = one.statement
    ensure(statement.party == party, where, "is another party's")
    energy = [line for line in statement.lines if line.kind in (LineKind.SHARE, LineKind.CHARGE)]
    fits = all(line.ref == settlement.intervals.root for line in energy)
    ensure(
        fits and len({line.kind for line in energy}) == len(energy),
        where,
        "has a line of energy that is not of its close",
    )
    return statement


def _check_first(statement: Statement, where: str) -> None:
    is_first = statement.prev is None
    ensure(not is_first or statement.opening == 0, where, f"is your first, but begins with {statement.opening} nano")


def _check_number(old: PoolSettlement, new: PoolSettlement) -> None:
    """A close that replaces the one before it counts on from it: under another number it would take nothing back."""
    if (old.from_ms, old.to_ms, old.kind) == (new.from_ms, new.to_ms, new.kind):
        fits = old.number == new.number - 1
        ensure(fits, "close", f"is number {new.number} of its time, and the one before it is number {old.number}")


def _check_chain(statement: Statement, settlement: PoolSettlement, said: dict[H32, Statement]) -> None:
    before = None if settlement.prev is None else said.get(settlement.prev)
    if statement.prev is None:
        ensure(before is None, WHERE, "does not name the one before it")
        _check_first(statement, WHERE)
        return
    if before is None:
        raise Misfit(WHERE, "follows one that is not in the file")
    ensure(statement.prev == before.hash, WHERE, "follows another statement than the one you were shown")
    opening, closing = (words.amount(nano, settlement.unit) for nano in (statement.opening, before.closing))
    ensure(statement.opening == before.closing, WHERE, f"begins with {opening}, the one before closed at {closing}")


def _check_lines(statement: Statement, settlement: PoolSettlement, moved: Moved) -> None:
    """Share and charge are those of the intervals; of payments only the bank can tell."""
    sums = {LineKind.SHARE: 0, LineKind.CHARGE: 0}
    for line in statement.lines:
        match line.kind:
            case LineKind.SHARE | LineKind.CHARGE:
                sums[line.kind] = line.amount
            case LineKind.PAYOUT:
                fits = line.amount < 0 and line.amount % CENT_NANO == 0
                ensure(fits, WHERE, "has a payout that is not a whole number of cents")
            case LineKind.PAYMENT | LineKind.CORRECTION:
                ensure(line.amount != 0, WHERE, "has a line of nothing")
    for kind, due in ((LineKind.SHARE, moved.share), (LineKind.CHARGE, moved.charge)):
        given, right = words.amount(sums[kind], settlement.unit), words.amount(due, settlement.unit)
        ensure(sums[kind] == due, WHERE, f"says {given} as {kind.name.lower()}, the intervals say {right}")


def _check_corrections(
    statement: Statement, settlement: PoolSettlement, before: dict[H32, Earlier], said: dict[H32, Statement]
) -> None:
    """Each takes back all that a close of the same time, or of a part of it, had given, and no more; and what the close
    gave that this one replaces is taken back."""
    taken: set[H32] = set()
    for line in (one for one in statement.lines if one.kind is LineKind.CORRECTION):
        ensure(line.ref in before, WHERE, "corrects a close that is not in the file")
        ensure(line.ref not in taken, WHERE, "corrects one close twice")
        taken.add(line.ref)
        old = before[line.ref].settlement
        inside = settlement.from_ms <= old.from_ms and old.to_ms <= settlement.to_ms
        ensure(inside, WHERE, "corrects a close of another time")
        gave = _energy(said[line.ref])
        took, was = (words.amount(nano, settlement.unit) for nano in (-line.amount, gave))
        ensure(line.amount == -gave, WHERE, f"takes back {took} of a close that gave you {was}")
    for h, one in before.items():
        left = _replaced(one.settlement, settlement) and h not in taken and _energy(said[h])
        ensure(not left, WHERE, "leaves standing what the close gave that this one replaces")


def _replaced(old: PoolSettlement, new: PoolSettlement) -> bool:
    same = (old.from_ms, old.to_ms, old.kind) == (new.from_ms, new.to_ms, new.kind)
    return same and old.number == new.number - 1


def _energy(statement: Statement) -> int:
    """What a close gave and took, without what it corrected and what was paid."""
    return sum(line.amount for line in statement.lines if line.kind in (LineKind.SHARE, LineKind.CHARGE))
