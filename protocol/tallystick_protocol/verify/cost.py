"""Verifies a payer's file of a shared bill: own stays in the signed sums, and the share by the key to the cent.
It never raises, and never says of another payer more than the sums that the file shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from tallystick_protocol import cose
from tallystick_protocol.cost_settlement import CostPiece, CostProof, CostSettlement
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.ids import H32
from tallystick_protocol.money.cost import PER_MILLE, By, days_between
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import PIECES
from tallystick_protocol.sum_tree import leaf_node, verify_path
from tallystick_protocol.verify.case import ensure
from tallystick_protocol.verify.inclusion import witnesses_of
from tallystick_protocol.verify.log_view import LogView
from tallystick_protocol.verify.report import VALID, Check, Misfit, Report


@dataclass(frozen=True, slots=True)
class _Stay:
    """What one stay of the payer pays and weighs, put together from its pieces."""

    piece: CostPiece
    sums: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.piece.flat} from {self.piece.first_day} to {self.piece.last_day}"

    @property
    def days(self) -> int:
        return days_between(self.piece.first_day, self.piece.last_day)


def verify_cost(data: bytes, policy: Policy) -> Report:
    """Verify a cost proof (any bytes) under a policy."""
    checks: list[Check] = []
    step = "file"
    try:
        proof = CostProof.decode(data)
        ensure(proof.party == policy.party, "file", "is for another party than your policy's")
        checks.append(Check("file", True, "a bill's share, for you"))
        step = "log"
        log = LogView(policy, proof.note)
        checks.append(log.went_on(proof.continuations, proof.proofs, "the bill stands"))
        h, said = _settlement(log, proof, policy)
        step = "witnesses"
        checks.append(witnesses_of(policy, proof.note))
        step = "bill"
        checks.append(_bill(log, proof, h, said))
        step = "sums"
        stays = _stays(proof, said)
        checks.append(Check("sums", True, f"your {len(stays)} stays are in the sums of all {said.stays}"))
        step = "key"
        checks.append(_key(said, stays))
        step = "money"
        checks.append(_money(said, stays))
    except Misfit as misfit:
        checks.append(Check(step, False, str(misfit)))
        return Report(str(misfit), tuple(checks))
    except (ProtocolError, InvariantError) as error:
        why = f"{step}: cannot be checked ({error})"
        checks.append(Check(step, False, why))
        return Report(why, tuple(checks))
    return Report(VALID, tuple(checks))


def _settlement(log: LogView, proof: CostProof, policy: Policy) -> tuple[H32, CostSettlement]:
    found = log.settled(proof.settlement, cose.ContentType.COST, "bill")
    said = CostSettlement.decode(found.payload)
    ensure(said.community == policy.community, "bill", "is of another community")
    ensure(said.reverses is None, "bill", "is one that takes another back")
    return found.hash, said


def _bill(log: LogView, proof: CostProof, h: H32, said: CostSettlement) -> Check:
    """What is shared, by which decision; and whether it stands."""
    ensure(said.top.sums[0] == said.cents, "bill", f"is over {said.cents} cents, its shares make {said.top.sums[0]}")
    ensure(days_between(said.first_day, said.last_day) > 0, "bill", "ends before it begins")
    text = f"{said.bill} of {said.pool!r}, {said.cents} cents from {said.first_day} to {said.last_day}, "
    text += f"decided by {said.decision!r}; "
    text += f"its neighbours see the same bill when theirs begins with {h[:4].hex()}"
    taken_back = 0
    if proof.reversal is not None:
        found = log.settled(proof.reversal, cose.ContentType.COST, "reversal")
        back = CostSettlement.decode(found.payload)
        same = replace(back, nonce=said.nonce, reverses=None) == said and back.reverses == h
        ensure(same, "reversal", "is not of this bill")
        taken_back, text = 1, f"{text}; it was taken back, and nothing is due"
    return Check("bill", True, text, {"cents": said.cents, "taken_back": taken_back})


def _stays(proof: CostProof, said: CostSettlement) -> list[_Stay]:
    """Whole stays that are the payer's own."""
    pieces: dict[int, dict[int, CostPiece]] = {}
    for opened in proof.pieces:
        piece = opened.piece
        where = f"stay {piece.stay}"
        ensure(piece.party == proof.party, where, "is another party's")
        leaf = leaf_node(opened.salt, piece.encode(), piece.sums)
        try:
            verify_path(opened.index, said.stays * PIECES, leaf, opened.path, said.top)
        except ProtocolError as error:
            raise Misfit(where, f"is not under the bill's sums ({error.reason})") from None
        ensure(piece.piece not in pieces.setdefault(piece.stay, {}), where, "shows one piece twice")
        pieces[piece.stay][piece.piece] = piece
    found = []
    for number, mine in sorted(pieces.items()):
        ensure(len(mine) == PIECES, f"stay {number}", f"shows {len(mine)} of its {PIECES} pieces")
        first = mine[0]
        same = all(replace(one, piece=0, sums=first.sums) == first for one in mine.values())
        ensure(same, f"stay {number}", "has pieces of two stays")
        sums = tuple(sum(column) for column in zip(*(one.sums for one in mine.values()), strict=True))
        inside = said.first_day <= first.first_day <= first.last_day <= said.last_day
        ensure(inside, f"stay {number}", "is not in the days of the bill")
        found.append(_Stay(first, sums))
    return found


def _key(said: CostSettlement, stays: Sequence[_Stay]) -> Check:
    """Measures that follow from days and heads are theirs; what meters and surveyors say is told."""
    told = []
    ensure(not any(said.top.sums[len(said.key) + 1 :]), "key", "has sums of no part of it")
    for at, part in enumerate(said.key, 1):
        total = said.top.sums[at]
        if part.by is By.SHARE:
            due = PER_MILLE * days_between(said.first_day, said.last_day) * part.scale
            ensure(total == due, "key", f"has shares that make {Fraction(total * PER_MILLE, due)} per mille, not 1000")
        own = 0
        for one in stays:
            due_of = {By.PEOPLE: one.piece.people * one.days, By.FLAT: one.days}.get(part.by)
            fits = due_of is None or one.sums[at] == due_of * part.scale
            ensure(fits, one.name, f"weighs {Fraction(one.sums[at], part.scale)} by {part.by.value}, not {due_of}")
            own += one.sums[at]
        name = part.by.value if part.quantity is None else f"{part.by.value} of {part.quantity}"
        whole, mine = Fraction(total, part.scale), Fraction(own, part.scale)
        portion = _decimal(part.portion.fraction() * 100)
        told.append(f"{portion} % by {name}: yours {_decimal(mine)} of {_decimal(whole)}")
    return Check("key", True, "; ".join(told))


def _money(said: CostSettlement, stays: Sequence[_Stay]) -> Check:
    """The share is the exact one by the key, up or down to a cent."""
    cents = 0
    for one in stays:
        exact = Fraction(0)
        for at, part in enumerate(said.key, 1):
            ensure(said.top.sums[at] > 0, "key", f"divides by {part.by.value}, of which nobody has any")
            exact += said.cents * part.portion.fraction() * Fraction(one.sums[at], said.top.sums[at])
        ensure(abs(one.sums[0] - exact) < 1, one.name, f"pays {one.sums[0]} cents, the key says {_decimal(exact)}")
        cents += one.sums[0]
    return Check("money", True, f"your share is {cents} cents {said.unit}", {"cents": cents})


def _decimal(value: Fraction) -> str:
    """For people: up to four places."""
    return f"{Decimal(round(value * 10_000)).scaleb(-4).normalize():f}"
