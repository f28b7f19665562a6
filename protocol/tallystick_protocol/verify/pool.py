"""Verifies a member's file of a pool: own meters in the sums, what was shared, own part of it, own money and account.
It never raises, and never says of another member more than the sums that the file shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract, ContractState, version_at
from tallystick_protocol.money.pool import ConsumerRule, MemberKind, PlantRule, Pool, nano_per_count
from tallystick_protocol.money.pool_energy import members
from tallystick_protocol.money.pool_money import PoolPlan, above_of
from tallystick_protocol.money.split import Group
from tallystick_protocol.money.user import commit_user
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import PIECES, CloseKind, IntervalProof, IntervalRecord, PoolProof
from tallystick_protocol.pool_tree import leaf_of
from tallystick_protocol.salted_tree import Leaf, verify_leaf
from tallystick_protocol.sum_tree import WIDTH, verify_path
from tallystick_protocol.verify.case import ensure
from tallystick_protocol.verify.inclusion import witnesses_of
from tallystick_protocol.verify.pool_log import Logged, logged
from tallystick_protocol.verify.pool_statement import Moved, check_statement
from tallystick_protocol.verify.report import VALID, Check, Misfit, Report

_GROUPS = tuple(Group)  # in the order of the weights in a tree


@dataclass(frozen=True, slots=True)
class _Own:
    """The member's numbers of one meter in one interval, put together from its pieces."""

    injected: int
    withdrawn: int
    given: int
    used: int
    weights: tuple[int, ...]


def verify_pool(data: bytes, policy: Policy) -> Report:
    """Verify a pool proof (any bytes) under a policy."""
    checks: list[Check] = []
    step = "file"
    try:
        proof = PoolProof.decode(data)
        ensure(proof.party == policy.party, "file", "is for another party than your policy's")
        checks.append(Check("file", True, f"{len(proof.intervals)} intervals, for you"))
        step = "log"
        found = logged(proof, policy)
        checks.append(found.check)
        step = "witnesses"
        checks.append(witnesses_of(policy, proof.note))
        case = _Case(proof, found)
        step = "sums"
        checks.append(case.sums())
        step = "energy"
        checks.append(case.energy())
        step = "money"
        checks.append(case.money())
        step = "statement"
        checks += check_statement(proof, found, case.moved) if case.is_whole else case.part()
    except Misfit as misfit:
        checks.append(Check(step, False, str(misfit)))
        return Report(str(misfit), tuple(checks))
    except (ProtocolError, InvariantError) as error:
        why = f"{step}: cannot be checked ({error})"
        checks.append(Check(step, False, why))
        return Report(why, tuple(checks))
    return Report(VALID, tuple(checks))


class _Case:
    """The proof with what was found of it so far."""

    def __init__(self, proof: PoolProof, found: Logged) -> None:
        self._proof, self._settlement, self._contracts = proof, found.settlement, found.contracts
        self._plans = [PoolPlan(contract, found.chain) for contract in found.contracts]
        self._salts = {(contract, point): salt for contract, point, salt in proof.openings}
        self._own: list[dict[int, _Own]] = []
        self.is_whole = [one.index for one in proof.intervals] == list(range(found.settlement.intervals.n))
        self.moved = Moved(0, 0)  # by what is live, where the file is of the whole close

    def sums(self) -> Check:
        """Every record is the close's, and every piece is under its sums; raises Misfit."""
        seen: set[int] = set()
        for one in self._proof.intervals:
            where, record = _name(one.record), one.record
            leaf = Leaf(one.salt, record.encode())
            try:
                verify_leaf(self._settlement.intervals, one.index, leaf, one.path)
            except ProtocolError as error:
                raise Misfit(where, f"is not in the close ({error.reason})") from None
            ensure(one.index not in seen, where, "is there twice")
            seen.add(one.index)
            in_period = self._settlement.from_ms <= record.start_ms < self._settlement.to_ms
            ensure(in_period, where, "is not in the period that is closed")
            contract = self._contract(record)
            ensure(version_at(self._contracts, record.start_ms) is contract, where, "is under another contract version")
            count = sum(len(side) for side in members(_pool(contract), record.start_ms))
            ensure(record.size == PIECES * count, where, f"counts {record.size} pieces, not those of {count} meters")
            aligned = record.start_ms % contract.terms.interval_ms == 0
            ensure(aligned, where, "does not begin where an interval of its contract does")
            self._own.append(self._pieces(one, contract))
        self._check_order()
        trued_up = any(_pool(contract).trued_up for contract in self._contracts)
        why = "is on account, and its contract knows no close that pays the rest"
        ensure(self._is_final() or trued_up, "close", why)
        meters = sum(len(own) for own in self._own)
        text = f"your meters are in the sums of every interval ({meters} times)"
        if not meters:
            named = any(party.id == self._proof.party for contract in self._contracts for party in contract.parties)
            why = "shows no meter of yours, and no contract names you as a party"
            ensure(named or self._has_meter(), "file", why)
            text = "every interval is the close's; no meter in it is shown as yours"
        return Check("sums", True, text, {"meters": meters})

    def _has_meter(self) -> bool:
        """Whether a contract has a meter of the member at any time: before the first and after the last day there is an
        account, and no meter in the intervals."""
        return any(
            self._is_own(place, point, asset.user)
            for place, contract in enumerate(self._contracts)
            for point, asset in enumerate(contract.assets)
        )

    def _check_order(self) -> None:
        """No time is shared twice, and in a whole close the totals are those of its intervals."""
        records = [one.record for one in sorted(self._proof.intervals, key=lambda one: one.index)]
        for before, after in pairwise(records):
            ended = before.start_ms + self._contract(before).terms.interval_ms
            ensure(ended <= after.start_ms, _name(after), "begins before the one in front of it has ended")
        if self.is_whole:
            sums = [sum(record.top.sums[at] for record in records) for at in range(4)]
            fits = self._settlement.totals == (*sums, sum(record.fee for record in records))
            ensure(fits, "close", "has totals that its intervals do not make")

    def part(self) -> list[Check]:
        """A file of some intervals speaks of no account: that is of all of them. Raises Misfit."""
        account = self._proof.statement is not None or self._proof.earlier
        shown = f"{len(self._proof.intervals)} of the {self._settlement.intervals.n} intervals of its close"
        ensure(not account, "your statement", f"is in a file that holds {shown}")
        words = f"your account is not in this file: it holds {shown}"
        return [Check("statement", True, words, {"intervals": self._settlement.intervals.n})]

    def energy(self) -> Check:
        """What was shared follows from the sums, and the member's part of it from both; raises Misfit."""
        given = used = bounded = 0
        for one, own in zip(self._proof.intervals, self._own, strict=True):
            record, where = one.record, _name(one.record)
            pool = _pool(self._contract(record))
            injected, withdrawn, gave, took = record.top.sums[:4]
            least = min(injected, withdrawn)
            ensure(gave == took, where, "shares another amount on one side than on the other")
            exact = pool.consumers is ConsumerRule.PRO_RATA
            ensure(took == least if exact else took <= least, where, f"says {took} Wh are shared, the sums say {least}")
            for point, mine in own.items():
                bounded += _check_energy(pool, record, point, mine, where)
                given, used = given + mine.given, used + mine.used
        words = f"what is shared follows from the sums; of it {given} Wh came from you and {used} Wh went to you"
        if bounded:
            words += f" ({bounded} of your meters' parts were checked within bounds only: the rest is others' numbers)"
        return Check("energy", True, words, {"given_wh": given, "used_wh": used, "bounded": bounded})

    def money(self) -> Check:
        """The member's money is that of the contract to the nano, up or down; raises Misfit."""
        got = owed = 0
        counters: dict[H32, int] = {}
        self._check_threshold()
        for one, own in zip(self._proof.intervals, self._own, strict=True):
            record, where = one.record, _name(one.record)
            plan = self._plans[record.contract]
            present = frozenset(line.group for line in record.groups)
            run = None
            if self.is_whole or plan.is_stateless:  # a counter is known to whoever sees all of its period
                run = plan.run(present, record.fee - record.above, record.start_ms, counters if self.is_whole else {})
            self._check_groups(plan, record, run, where)
            expected = {key: value for key, value in self._expected(plan, record, own) if value}
            claims: dict[tuple[int, str], int] = {}
            for claim in one.claims:
                kind = _kind(claim.group, claim.amount)
                ensure((claim.point, kind) not in claims, where, "has one claim twice")
                claims[claim.point, kind] = claim.amount
            for key in claims.keys() | expected.keys():
                exact, amount = expected.get(key, Fraction(0)), claims.get(key, 0)
                fits = abs(amount - exact) < 1
                ensure(
                    fits, where, f"gives you {amount} nano as {key[1]} for meter {key[0]}, the contract says {exact}"
                )
            amounts = [*claims.values(), *self._as_party(plan, record, present, run)]
            plus, minus = sum(max(0, nano) for nano in amounts), sum(min(0, nano) for nano in amounts)
            got, owed = got + plus, owed + minus
            if plan.contract.state is ContractState.LIVE:
                self.moved = Moved(self.moved.share + plus, self.moved.charge + minus)
        return Check("money", True, f"your money is {got + owed} nano {self._settlement.unit}", {"nano": got + owed})

    def _as_party(
        self,
        plan: PoolPlan,
        record: IntervalRecord,
        present: frozenset[Group],
        run: Sequence[tuple[PartyId | Group, int]] | None,
    ) -> Iterator[int]:
        """What the contract gives the party, or takes from it, by its name."""
        party = self._proof.party
        if plan.pool.payer == party:
            yield -record.fee
        if plan.above_to(present) == party:
            yield record.above
        yield from (nano for place, nano in run or () if place == party)

    def _check_threshold(self) -> None:
        """In a file of a whole close: what is above the threshold follows from the sums of all intervals."""
        records = [one.record for one in self._proof.intervals]
        if not self.is_whole or all(_pool(contract).above is None for contract in self._contracts):
            return
        sums = [(_pool(self._contract(one)), one.top.sums[0], one.top.sums[3]) for one in records]
        due = above_of(sums) if self._is_final() else [0] * len(records)
        for record, wh in zip(records, due, strict=True):
            fits = record.above_wh == (wh if record.fee else 0)
            ensure(fits, _name(record), f"has {record.above_wh} Wh above the threshold, the sums of the close say {wh}")

    def _contract(self, record: IntervalRecord) -> Contract:
        ensure(record.contract < len(self._contracts), _name(record), "names a contract that is not in the close")
        return self._contracts[record.contract]

    def _pieces(self, one: IntervalProof, contract: Contract) -> dict[int, _Own]:
        """Point -> its numbers, of whole meters that are the member's own."""
        where = _name(one.record)
        parts: dict[int, dict[int, tuple[int, ...]]] = {}
        for opened in one.pieces:
            piece = opened.piece
            ensure(piece.start_ms == one.record.start_ms, where, "shows a piece of another interval")
            ensure(piece.point < len(contract.assets), where, "shows a meter that the contract does not have")
            user = contract.assets[piece.point].user
            ensure(piece.member == user, where, "shows a piece that is not the meter's in the contract")
            ensure(self._is_own(one.record.contract, piece.point, user), where, "shows a meter that is not yours")
            try:
                verify_path(opened.index, one.record.size, leaf_of(opened.salt, piece), opened.path, one.record.top)
            except ProtocolError as error:
                raise Misfit(where, f"has a piece that is not under its sums ({error.reason})") from None
            ensure(piece.piece not in parts.setdefault(piece.point, {}), where, "shows one piece twice")
            parts[piece.point][piece.piece] = piece.sums
        for point, found in parts.items():
            ensure(len(found) == PIECES, where, f"shows {len(found)} of the {PIECES} pieces of meter {point}")
        here = [at for side in members(_pool(contract), one.record.start_ms) for at in side]
        mine = {at for at in here if self._is_own(one.record.contract, at, contract.assets[at].user)}
        ensure(mine == parts.keys(), where, "does not show all meters that are yours")
        return {point: _own(list(found.values())) for point, found in parts.items()}

    def _is_own(self, contract: int, point: int, user: bytes) -> bool:
        salt = self._salts.get((contract, point))
        return user == (self._proof.party if salt is None else commit_user(salt, self._proof.party))

    def _is_final(self) -> bool:
        return self._settlement.kind is CloseKind.FINAL

    def _check_groups(
        self,
        plan: PoolPlan,
        record: IntervalRecord,
        run: Sequence[tuple[PartyId | Group, int]] | None,
        where: str,
    ) -> None:
        """What came to each group is what the split gives it, where that can be known (`run`)."""
        lines = {line.group: line.amount for line in record.groups}
        ensure(len(lines) == len(record.groups), where, "has one group twice")
        for line in record.groups:
            weight = record.top.sums[4 + _GROUPS.index(line.group)]
            ensure(line.weight == weight, where, f"divides among other {line.group} than are in its sums")
        for group, weight in zip(_GROUPS, record.top.sums[4:], strict=True):
            least, most = _weight_of(group, plan.pool, record)
            words = f"has {weight} of {group}, of what it shares there are {least} to {most}"
            ensure(least <= weight <= most, where, words)
        present = frozenset(group for group, weight in zip(_GROUPS, record.top.sums[4:], strict=True) if weight)
        ensure(record.fee == 0 or present == lines.keys(), where, "leaves out a group that somebody is in")
        shared = record.top.sums[3]
        above = record.fee * record.above_wh // shared if shared else 0
        ensure(record.above_wh <= shared and record.above == above, where, "has another amount above the threshold")
        ensure(sum(lines.values()) <= record.fee - record.above, where, "gives the groups more than there is")
        if run is not None:
            due = dict(run)
            wrong = [group for group, amount in lines.items() if amount != due.get(group, 0)]
            ensure(not wrong, where, f"gives the {', '.join(wrong)} another amount than the split does")
        plants = members(plan.pool, record.start_ms)[0]
        prices = {self._price(plan, record, plan.pool.points[index].price_class) for index in plants}
        if len(prices) == 1:  # else the fee depends on what other plants gave
            exact = shared * prices.pop()
            fits = exact - len(plants) < record.fee <= exact
            ensure(fits, where, "has another worth than what is shared at the price")

    def _price(self, plan: PoolPlan, record: IntervalRecord, index: int) -> Fraction:
        pool = plan.pool
        part = Fraction(1) if self._is_final() else Fraction(pool.advance.n, pool.advance.d)
        series = None if record.series is None else record.series.fraction()
        if pool.classes[index].needs_series and series is None:
            raise Misfit(_name(record), "has no price of the series, on which the worth depends")
        return nano_per_count(pool.classes[index], plan.contract.tariff, series) * part

    def _expected(
        self, plan: PoolPlan, record: IntervalRecord, own: dict[int, _Own]
    ) -> Iterator[tuple[tuple[int, str], Fraction]]:
        """(point, kind) -> the exact amount that is due for it."""
        lines = {line.group: line for line in record.groups}
        heads = [point for point in own if not plan.pool.points[point].silent]
        for point, mine in own.items():
            terms = plan.pool.points[point]
            if plan.pool.payer is None and mine.used:
                yield (point, "charge"), -Fraction(record.fee * mine.used, record.top.sums[3])
            is_household = terms.kind is MemberKind.HOUSEHOLD and not terms.silent
            worth = int(mine.given * self._price(plan, record, terms.price_class)) if terms.is_plant else 0
            weights = (worth, mine.used, mine.used if is_household else 0, int(point == min(heads, default=-1)))
            due = (0,) * len(weights) if terms.silent else weights
            ensure(mine.weights == due, _name(record), f"weighs meter {point} as {mine.weights}, it should be {due}")
            for group, weight in zip(_GROUPS, due, strict=True):
                if weight and group in lines:
                    yield (point, group.value), Fraction(lines[group].amount * weight, lines[group].weight)
            homes = lines.get(Group.HOUSEHOLDS)
            if plan.pool.above is not None and plan.pool.above.to is None and homes is not None and is_household:
                yield (point, "above"), Fraction(record.above * mine.used, homes.weight)


def _weight_of(group: Group, pool: Pool, record: IntervalRecord) -> tuple[int, int]:
    """The least and the most that a group can weigh: a weight of nobody would leave less for everybody in it."""
    plants, consumers = ([pool.points[at] for at in side] for side in members(pool, record.start_ms))
    used = record.top.sums[3]
    match group:
        case Group.PRODUCERS:
            count, most = [not one.silent for one in plants], record.fee
        case Group.CONSUMERS:
            count, most = [not one.silent for one in consumers], used
        case Group.HOUSEHOLDS:
            count, most = [one.kind is MemberKind.HOUSEHOLD and not one.silent for one in consumers], used
        case Group.MEMBERS:
            heads = sum(not one.silent for one in (*plants, *consumers))
            return min(1, heads), heads
    return most if all(count) else 0, most if any(count) else 0


def _own(pieces: Sequence[Sequence[int]]) -> _Own:
    injected, withdrawn, given, used, *weights = (sum(one[at] for one in pieces) for at in range(WIDTH))
    return _Own(injected, withdrawn, given, used, tuple(weights))


def _kind(group: Group | None, amount: int) -> str:
    if group is not None:
        return group.value
    return "charge" if amount < 0 else "above"


def _check_energy(pool: Pool, record: IntervalRecord, point: int, mine: _Own, where: str) -> int:
    """1 where other members' numbers would be needed to say more than a bound."""
    injected, withdrawn, shared = record.top.sums[:3]
    terms = pool.points[point]
    if not terms.is_plant:
        ensure(mine.injected == mine.given == 0, where, f"meter {point} withdraws, and is said to inject")
        if pool.consumers is ConsumerRule.PRO_RATA:
            exact = Fraction(shared * mine.withdrawn, withdrawn) if withdrawn else Fraction(0)
            ensure(abs(mine.used - exact) < 1, where, f"gives meter {point} {mine.used} Wh, its part is {exact}")
            return 0
        ensure(mine.used <= mine.withdrawn, where, f"gives meter {point} more than it withdrew")
        if terms.part is None:
            return 1  # its coefficient stands in the uploaded file
        part = Fraction(injected * terms.part.n, terms.part.d)
        fits = abs(mine.used - min(part, Fraction(mine.withdrawn))) < 1
        ensure(fits, where, f"gives meter {point} {mine.used} Wh, its part is {part} of {mine.withdrawn}")
        return 0
    ensure(mine.withdrawn == mine.used == 0, where, f"meter {point} injects, and is said to withdraw")
    if pool.plants is PlantRule.PRO_RATA:
        exact = Fraction(shared * mine.injected, injected) if injected else Fraction(0)
        ensure(abs(mine.given - exact) < 1, where, f"takes {mine.given} Wh of meter {point}, its part is {exact}")
        return 0
    order = members(pool, record.start_ms)[0]
    most = min(mine.injected, shared)
    least = max(0, shared - (injected - mine.injected)) if order[0] != point else most
    if order[-1] == point:
        most = min(most, max(0, shared - (injected - mine.injected)))
    ensure(least <= mine.given <= most, where, f"takes {mine.given} Wh of meter {point}, its turn is {least} to {most}")
    return int(least != most)


def _pool(contract: Contract) -> Pool:
    if contract.pool is None:
        raise InvariantError("a contract without a pool came through the step before")
    return contract.pool


def _name(record: IntervalRecord) -> str:
    return f"interval at {record.start_ms} ms"
