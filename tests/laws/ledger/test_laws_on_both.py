"""Laws 1-4, 8, 10 and 12-15 over drawn histories, and law 5, on SQLite and on PostgreSQL, judged with other code.

docs/reference/laws.md says which test keeps which law. TALLYSTICK_LAW_EXAMPLES=N draws more than CI does.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import FromClause
from support import postgres
from support.bad_contracts import TOWN_OF_FAULTS, faults
from support.books import DAY, HOUR, T0, Books, follows, open_books, place, shares_in
from support.uploads import Randomness, SimGateway, money, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.contracts import service as contracts
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.ledger.balances import as_of, balances
from tallystick_cloud.settlement import store as settlements
from tallystick_cloud.settlement.model import TreeKey
from tallystick_cloud.settlement.office import Office
from tallystick_cloud.settlement.service import close
from tallystick_cloud.town.service import agree
from tallystick_protocol import cose
from tallystick_protocol.codes import EventCode, ReceiptStatus
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import draft_contract
from tallystick_protocol.part import Part
from tallystick_protocol.statement import Statement

EXAMPLES = int(os.environ.get("TALLYSTICK_LAW_EXAMPLES", "0"))
QUARTER = 900_000
PRICES = {"30": 1_200_000_000, "60": 1_850_000_000}
LOAN, ENERGY_LOAN, MINIMUM = 2_500_000_000, 1_000_000_000, 5_000_000_000

steps = st.lists(
    st.one_of(
        st.tuples(st.just("wash"), st.sampled_from(("30", "60")), st.integers(2, 30)),
        st.tuples(st.just("meter"), st.lists(st.integers(0, 4000), min_size=1, max_size=6), st.integers(1, 9)),
        st.tuples(st.sampled_from(("again", "tampered", "garbage", "version"))),
    ),
    min_size=4,
    max_size=14,
)


@dataclass
class History:
    """One community whose every step keeps what must not change for later."""

    books: Books
    gateway: SimGateway = field(default_factory=lambda: SimGateway("cellar"))
    now: int = T0
    uses: int = 0
    readings: int = 0
    total: int = 1000
    version: tuple[bytes, Contract] | None = None
    published: list[tuple[int, Mapping[object, int]]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    def play(self, drawn: Sequence[tuple[object, ...]]) -> None:
        self.books.enrol(self.gateway, "cellar")
        for step in drawn:
            getattr(self, f"_{step[0]}")(*step[1:])
            known = self.books.database.read_now(as_of, "lindenhof", self.now)
            self.published.append((self.now, known))
            self.now += 1

    def _send(self, parts: Sequence[Part]) -> None:
        self.sent.append(self.gateway.seal(parts))
        outcome = self.books.send(self.gateway, self.sent[-1], self.now)
        assert outcome.receipt.status is ReceiptStatus.ACCEPTED
        assert outcome.receipt.quarantined == ()

    def _wash(self, programme: str, hours: int) -> None:
        self.uses += 1
        begin, self.now = self.now, self.now + hours * HOUR
        self._send(wash(2, self.uses * 3 - 2, self.uses, self.uses, begin, begin + HOUR, programme))

    def _meter(self, counts: list[int], quarters: int) -> None:
        rows = [(self.now, self.total)]
        for used in counts:
            rows.append((rows[-1][0] + quarters * QUARTER, rows[-1][1] + used))
        self._send([money(1, [segment(self.readings + 1, rows, serial="S1")])])
        self.readings += len(rows)
        self.now, self.total = rows[-1]

    def _again(self) -> None:
        """Law 8."""
        if self.sent:
            before = self.books.dump()
            outcome = self.books.send(self.gateway, self.sent[-1], self.now)
            assert outcome.receipt.status is ReceiptStatus.DUPLICATE
            assert self.books.dump() == before

    def _tampered(self) -> None:
        """Law 13."""
        kept = self.gateway.seq, self.gateway.prev
        upload = bytearray(self.gateway.seal([]))
        self.gateway.seq, self.gateway.prev = kept
        at = upload.rindex(self.gateway.gid) + 40  # in what is signed
        upload[at] ^= 1
        self._refused(bytes(upload))

    def _garbage(self) -> None:
        self._refused(b"\xa1\x00" * 40)

    def _refused(self, upload: bytes) -> None:
        before = self.books.dump()
        try:
            outcome = self.books.send(self.gateway, upload, self.now)
            assert outcome.receipt.status in (ReceiptStatus.REFUSED, ReceiptStatus.KEY_UNKNOWN)
        except ValueError:
            pass
        assert self.books.dump() == before

    def _version(self) -> None:
        """Law 12: a new version of the washes comes into force; no use that is in the books moves."""
        if self.version is None:
            row = next(row for row in self.books.rows(schema.contract_version) if row["name"] == "Washes")
            self.version = row["h"], Contract.decode(row["payload"])  # type: ignore[assignment, arg-type]
        assert self.version is not None
        h, old = self.version
        number = old.version + 1
        draft = follows(self.books, h, old, version=number, effective_from_ms=self.now + HOUR, name=f"Washes {number}")
        before = self._rows(schema.use, schema.use_rating, schema.posting, schema.balance)
        context = self.books.aggregator.of("lindenhof")
        hosted = self.books.founded.hosted
        standing = self.books.run(agree, context, draft, hosted, Randomness(f"v{number}"), self.now)
        assert self._rows(schema.use, schema.use_rating, schema.posting, schema.balance) == before
        self.version = standing.h, draft.contract  # type: ignore[attr-defined]

    def _rows(self, *tables: FromClause) -> list[str]:
        return sorted(str(row) for table in tables for row in self.books.rows(table))

    def end(self) -> None:
        """A little of December, so that every count of November lies between readings; close both months and judge."""
        assert self.now < T0 + 29 * DAY
        self.now = T0 + 31 * DAY
        for counts in ([500], [0]):
            self._meter(counts, 4)
            self.now += QUARTER
        self._wash("60", 2)
        office = Office(self.books.aggregator.of("lindenhof"), self.books.aggregator.entropy)
        for month in (0, 30):
            end = T0 + (month + 30 + (month > 0)) * DAY + HOUR
            self.books.database.write_now(close, office, T0 + (month + 1) * DAY, max(end, self.now))
            self.published.append((end, self.books.database.read_now(as_of, "lindenhof", end)))
        self.judge()

    def judge(self) -> None:
        assert self.books.audit() == []  # laws 1, 2, 4 and 15 by the product's own words
        self._zero()
        self._shares()
        self._recomputed()
        self._chained()
        for at, known in self.published:  # law 10: what was published stays
            assert self.books.database.read_now(as_of, "lindenhof", at) == known

    def _zero(self) -> None:
        """Law 1."""
        journals: dict[tuple[object, object], int] = defaultdict(int)
        for row in self.books.rows(schema.posting):
            journals[row["journal"], row["unit"]] += int(row["amount"])  # type: ignore[call-overload]
        assert not any(journals.values())
        assert sum(self.books.database.read_now(balances, "lindenhof").values()) == 0

    def _shares(self) -> None:
        """Laws 2, 3 and 4: each share is the floor or ceiling of its exact part, the lender gets his cap at most."""
        names = {row["id"].hex(): str(row["name"]) for row in self.books.rows(schema.party)}  # type: ignore[attr-defined]
        order = {row["use_id"]: row for row in self.books.rows(schema.use)}
        newest: dict[object, dict[str, object]] = {}
        for row in sorted(self.books.rows(schema.use_rating), key=lambda row: int(row["revision"])):  # type: ignore[call-overload]
            newest[row["use_id"]] = row
        lent = {"event": LOAN, "interval": ENERGY_LOAN, "minimum": ENERGY_LOAN}
        got: dict[object, int] = defaultdict(int)
        for use, row in sorted(newest.items(), key=lambda one: place(order[one[0]])):
            form, fee = str(order[use]["form"]), int(row["fee"])  # type: ignore[call-overload]
            shares = {names[party]: nano for party, nano in shares_in(row)}
            assert sum(shares.values()) == fee
            assert min(shares.values(), default=0) >= 0
            repair = min(fee, 150_000_000) if form == "event" else 0
            part = Fraction(2, 5) if form == "event" else Fraction(1, 2)
            chain = order[use]["chain"]
            loan = min(floor((fee - repair) * part), lent[form] - got[chain])
            got[chain] += loan
            left = fee - repair - loan
            assert shares["Bank"] == loan
            if form == "event":
                assert shares["Repairer"] == repair
                assert shares["Coop"] in (floor(Fraction(left * 4, 5)), ceil(Fraction(left * 4, 5)))
                assert shares["Fund"] in (floor(Fraction(left, 5)), ceil(Fraction(left, 5)))
            else:
                assert shares["Coop"] == left

    def _recomputed(self) -> None:
        """Law 14: from the signed parts alone to what everybody owes."""
        highest: dict[int, int] = {}
        lowest: dict[int, int] = {}
        by_month: dict[int, int] = defaultdict(int)
        washes = 0
        rows = sorted(self.books.rows(schema.part), key=lambda row: str(row["batch"]))
        for part in (Part.decode(row["data"]) for row in rows if row["data"] is not None):  # type: ignore[arg-type]
            for one in part.segments:
                reads = list(one.readings())
                lowest[part.channel] = min(lowest.get(part.channel, reads[0].total), reads[0].total)
                highest[part.channel] = max(highest.get(part.channel, 0), reads[-1].total)
                by_month[(reads[-1].t_ms - 1 - T0) // (30 * DAY)] += reads[-1].total - reads[0].total
            washes += sum(PRICES[str(e.programme)] for e in part.events if e.code is EventCode.USE_BILLABLE)
        assert sum(by_month.values()) == (highest.get(1, 0) - lowest.get(1, 0))
        energy = sum(max(MINIMUM, _tiers(by_month[month])) for month in (0, 1))
        owed: dict[str, int] = defaultdict(int)
        names = {row["id"]: str(row["name"]) for row in self.books.rows(schema.party)}
        for row in self.books.rows(schema.balance):
            if row["account"] == "receivable":
                owed[names[row["party"]]] += int(row["amount"])  # type: ignore[call-overload]
        assert owed["Anna"] == washes
        assert owed["Ben"] == energy

    def _chained(self) -> None:
        """Law 10: every statement opens with what the one before closed with."""
        closing: dict[tuple[bytes, bytes], int] = {}
        rows = sorted(self.books.rows(schema.settlement), key=lambda row: int(row["from_ms"]))  # type: ignore[call-overload]
        assert len(rows) >= 2
        for row in rows:
            leaves = self.books.database.read_now(settlements.leaves, row["h"], TreeKey.STATEMENTS)  # type: ignore[arg-type]
            for said in (Statement.decode(leaf.data) for leaf in leaves if leaf.data is not None):
                key = row["chain"], said.party
                assert said.opening == closing.get(key, 0)  # type: ignore[arg-type]
                assert said.closing == said.opening + sum(line.amount for line in said.lines)
                closing[key] = said.closing  # type: ignore[index]


def _tiers(wh: int) -> int:
    return min(wh, 10_000) * 300_000 + max(0, wh - 10_000) * 200_000


def run(url: str, drawn: Sequence[tuple[object, ...]]) -> None:
    books = open_books(url)
    try:
        history = History(books)
        history.play(drawn)
        history.end()
    finally:
        books.database.close()


DRAWS = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a history takes a second: shrinking one would take an hour
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(steps)
@settings(DRAWS, max_examples=EXAMPLES or 5)
def test_laws_hold_after_any_history_on_sqlite(drawn: Sequence[tuple[object, ...]]) -> None:
    run("sqlite://", drawn)


@given(steps)
@settings(DRAWS, max_examples=EXAMPLES or 2)
@pytest.mark.timeout(300)
def test_laws_hold_after_any_history_on_postgresql(postgres_server: str, drawn: Sequence[tuple[object, ...]]) -> None:
    with postgres.database(postgres_server) as url:
        run(url, drawn)


def test_law_5_readings_of_another_density_cost_the_same(either_url: str) -> None:
    """A day of readings every quarter of an hour, and the same day with two readings."""
    counts = [(n * 7919) % 997 for n in range(96)]
    every = [(T0, 1000)]
    for used in counts:
        every.append((every[-1][0] + QUARTER, every[-1][1] + used))
    sums = []
    for url, rows in ((either_url, every), ("sqlite://", [every[0], every[-1]])):
        books = open_books(url)
        gateway = SimGateway("cellar")
        books.enrol(gateway, "cellar")
        books.seal_and_send(gateway, [money(1, [segment(1, rows, serial="S1")])], T0 + DAY)
        sums.append(sum(int(row["fee"]) for row in books.rows(schema.use_rating)))  # type: ignore[call-overload]
        assert len(books.rows(schema.use)) == (95 if rows is every else 1)  # one quarter of an hour without use
        books.database.close()
    assert sums[0] == sums[1] == _tiers(sum(counts))


def test_law_13_contracts_that_do_not_fit_the_community_leave_every_row_as_it_was(either_url: str) -> None:
    """Those of the catalogue that only the community's own rows tell, on both databases."""
    books = open_books(either_url, TOWN_OF_FAULTS, {})
    context = books.aggregator.of("lindenhof")
    ids = {str(row["name"]): PartyId(row["id"]) for row in books.rows(schema.party)}  # type: ignore[arg-type]
    before, tried = books.dump(), 0
    for fault in (one for one in faults() if one.by == "propose"):
        draft = draft_contract(fault.data.decode(), ids, Randomness(fault.name).bytes)
        key = books.founded.hosted[ids["Coop"]]
        envelope = cose.sign(key, cose.ContentType.CONTRACT, draft.contract.encode())
        with pytest.raises(ContractRefused):
            books.run(contracts.propose, context, envelope, T0, draft.openings)
        assert books.dump() == before, fault.name
        tried += 1
    assert tried >= 12
    books.database.close()
