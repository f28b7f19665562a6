"""What the uses of `million` must cost, worked out from what the meters counted, and compared with the books.

It shares no arithmetic with the product: tiers, floors, splits, the lender and the minimums are written again here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import floor
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from support.books import DAY, shares_in
from tallystick_cloud import schema
from tallystick_cloud.home import Home
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.parties.store import ids_by_name
from tallystick_protocol.ids import channel_hash, gid_from_spki, use_id
from tallystick_protocol.keys import P256Signer

HOUR = 3_600_000
NIGHT = (9_000, Fraction("211333.7"), Fraction("180733.1"))  # Wh of the first tier, nano per Wh in it and above
BY_DAY = (20_000, Fraction("331333.9"), Fraction("290000.3"))
MINIMUM = 75 * 10**9
LOAN = 31_400_000_000
WASH = {"30": 1_200_000_000, "60": 1_850_300_000}


@dataclass(frozen=True, slots=True)
class Used:
    """One use as the meter saw it."""

    id: bytes
    channel: bytes
    number: int
    start_ms: int
    end_ms: int
    counts: int
    payer: str
    programme: str | None

    @property
    def order(self) -> tuple[int, bytes, int]:
        return self.end_ms, self.channel, self.number


@dataclass(frozen=True, slots=True)
class Verdict:
    """`off`: the sum of all differences between the books and the truth, in nano."""

    uses: int
    off: int
    re_rated: int
    fee: int
    wrong: tuple[str, ...]

    def sentence(self, killed: int, seconds: float) -> str:
        if self.off or self.wrong:
            raise AssertionError(f"{self.off} nano off: {self.wrong[:5]}")
        euro = f"{self.fee // 10**9:,}.{self.fee % 10**9:09d}"
        return (
            f"{self.uses:,} uses of {euro} EUR, {self.re_rated:,} of them priced again when others came late, "
            f"{killed} processes killed: 0 nano off, {seconds:.0f} s"
        )


def uses_of(folder: Path, seed: int, number: int, batches: int) -> Iterator[Used]:
    """All uses of one gateway."""
    from support import million as world

    signer = P256Signer.from_pem((folder / "gateways" / f"{world.site(number)}.pem").read_bytes())
    gid, payer = gid_from_spki(signer.spki), world.payer_of(number)
    for meter in range(world.METERS):
        channel, total = channel_hash(gid, meter + 1), 1000
        for batch in range(batches):
            for index, used in enumerate(world.counts(seed, number, meter, batch)):
                if used:
                    start = world.START + batch * world.SPAN + index * world.QUARTER
                    name = use_id(channel, total)
                    yield Used(name, channel, total, start, start + world.QUARTER, used, payer, None)
                total += used
    channel = channel_hash(gid, world.METERS + 1)
    for batch in range(0, batches, world.WASH_EVERY):
        use = batch // world.WASH_EVERY + 1
        end = world.START + (batch + 1) * world.SPAN - number * 1000
        kind = world.programme(seed, number, batch)
        yield Used(use_id(channel, use), channel, use, end - HOUR, end, 1, payer, kind)


def spread(amount: int, weights: dict[str, int], use: bytes) -> dict[str, int]:
    """Division inside a step: whoever has the nano is drawn from the use's own id."""
    total = sum(weights.values())
    r = int.from_bytes(sha256(use).digest()[:8], "big") % total
    shares, running, before = {}, 0, r // total
    for name, weight in weights.items():
        running += weight
        after = (amount * running + r) // total
        shares[name], before = after - before, after
    return shares


def _tiered(wh: int, tier: tuple[int, Fraction, Fraction]) -> int:
    low = min(wh, tier[0])
    return floor(low * tier[1] + (wh - low) * tier[2])


class Truth:
    """Prices uses in canonical order."""

    def __init__(self) -> None:
        self._wh: dict[tuple[str, int, bool], int] = defaultdict(int)
        self.raised: dict[tuple[str, int], int] = defaultdict(int)
        self._repaid = 0

    def price(self, one: Used) -> tuple[int, dict[str, int]]:
        return self._wash(one) if one.programme else self._energy(one)

    def _energy(self, one: Used) -> tuple[int, dict[str, int]]:
        day, hour = (one.end_ms - 1) // DAY, one.start_ms % DAY // HOUR
        is_night = hour >= 22 or hour < 6
        key, tier = (one.payer, day, is_night), NIGHT if is_night else BY_DAY
        fee = _tiered(self._wh[key] + one.counts, tier) - _tiered(self._wh[key], tier)
        self._wh[key] += one.counts
        self.raised[one.payer, day] += fee
        return fee, divided(fee, one.id)

    def _wash(self, one: Used) -> tuple[int, dict[str, int]]:
        fee = WASH[str(one.programme)]
        left = fee - 150_000_000
        loan = min(left * 2 // 5, LOAN - self._repaid)
        self._repaid += loan
        shares = {"Repairer": 150_000_000}
        for part in (spread(loan, {"Coop": 2, "Bank": 3}, one.id), spread(left - loan, {"Coop": 4, "Fund": 1}, one.id)):
            for name, amount in part.items():
                shares[name] = shares.get(name, 0) + amount
        return fee, shares


def divided(fee: int, use: bytes) -> dict[str, int]:
    """The split of the energy contract."""
    taken = fee // 3
    return {**spread(taken, {"Bank": 1, "Fund": 2}, use), "Coop": fee - taken}


def judge(folder: Path, url: str | None, seed: int, batches: int) -> Verdict:
    """Every use, every share and every balance against the truth."""
    database = Home(folder / "data", url).database()
    try:
        return database.read_now(_judge, folder, seed, batches)
    finally:
        database.close()


def _judge(conn: Connection, folder: Path, seed: int, batches: int) -> Verdict:
    from support import million as world

    wrong = [] if batches > 200 else audit(conn)  # the audit holds all rows of all tables in memory
    names = {bytes(party): name for name, party in ids_by_name(conn, world.COMMUNITY).items()}
    booked = _booked(conn, names)
    truth, off = Truth(), 0
    owed: dict[str, int] = defaultdict(int)
    due: dict[str, int] = defaultdict(int)

    def compare(row: Any, fee: int, shares: dict[str, int], what: str) -> int:
        if row is None:
            wrong.append(f"{what} is not in the books")
            return fee
        owed[row[0]] += fee
        for name, amount in shares.items():
            due[name] += amount
        difference = abs(row[1] - fee) + sum(
            abs(row[2].get(name, 0) - shares.get(name, 0)) for name in row[2].keys() | shares.keys()
        )
        if difference:
            wrong.append(f"{what} costs {row[1]} {row[2]}, should be {fee} {shares}")
        return difference

    uses = sorted(
        (one for number in range(world.SITES) for one in uses_of(folder, seed, number, batches)),
        key=lambda one: one.order,
    )
    fees = 0
    for one in uses:
        fee, shares = truth.price(one)
        fees += fee
        off += compare(booked.pop(one.id, None), fee, shares, f"use {one.number} of {one.channel.hex()[:8]}")
    minimums = 0
    for use, row in list(booked.items()):  # what is left over are the minimums of closed days
        if row[3] != "minimum":
            wrong.append(f"use {use.hex()} never was")
            continue
        fee = max(0, MINIMUM - truth.raised[row[0], (row[4] - 1) // DAY])
        fees, minimums = fees + fee, minimums + 1
        off += compare(row, fee, divided(fee, use), f"minimum of {row[0]}")
    days = len(world.days_until(world.START + batches * world.SPAN))
    if minimums != days * len(world.PAYERS):
        wrong.append(f"{minimums} minimums, {days} days of {len(world.PAYERS)} payers")
    off += _balances(conn, names, owed, due, wrong)
    query = select(schema.rerating.c.use_id).where(schema.rerating.c.journal.is_not(None)).distinct()
    return Verdict(len(uses) + minimums, off, len(conn.execute(query).all()), fees, tuple(wrong))


def _booked(conn: Connection, names: dict[bytes, str]) -> dict[bytes, tuple[str, int, dict[str, int], str, int]]:
    """use -> (payer, fee, shares, form, metered end) with its newest rating."""
    rows = conn.execute(select(schema.standing).execution_options(yield_per=10_000))
    return {
        bytes(row.use_id): (
            names[bytes(row.payer)],
            row.fee,
            {names[bytes.fromhex(party)]: nano for party, nano in shares_in(row._mapping)},
            row.form,
            row.end_ms,
        )
        for row in rows
    }


def _balances(
    conn: Connection, names: dict[bytes, str], owed: dict[str, int], due: dict[str, int], wrong: list[str]
) -> int:
    """Receivables are what uses cost, payables what was shared, and all of it sums to zero."""
    held: dict[tuple[str, str], int] = defaultdict(int)
    for account, party, amount in conn.execute(
        select(schema.balance.c.account, schema.balance.c.party, schema.balance.c.amount)
    ):
        held["owes" if account == "receivable" else "gets", names[bytes(party)]] += amount
    meant = {("owes", name): nano for name, nano in owed.items()} | {
        ("gets", name): -nano for name, nano in due.items()
    }
    off = sum(abs(held.get(key, 0) - meant.get(key, 0)) for key in held.keys() | meant.keys())
    if off or sum(held.values()):
        wrong.append(f"balances are {dict(held)}, should be {meant}")
    return off
