"""A month of 2,000 payees, and of 2,000 payers (200 on PostgreSQL), at a bank that rejects, returns, repeats itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

import pytest
from sqlalchemy import Connection
from support import pain_xsd, postgres
from support.bank import BankTown, open_bank_town
from support.books import T0
from support.debits import CREDITOR_ID, DebitTown, open_debit_town
from support.debits import DAY as COLLECTION_DAY
from support.payouts import CENT, DAY
from tallystick_cloud import schema
from tallystick_cloud.debits import store
from tallystick_cloud.debits.mandate import Mandate, NewMandate, SequenceType, mandate_id
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.parties.model import Form, NewParty
from tallystick_cloud.parties.store import insert_party
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.runs.model import RunState

PAYEES = {"sqlite": 2_000, "postgresql": 200}
SEED = 20261129
SIGNED = date(2026, 10, 1)


def iban_of(number: int) -> str:
    """A German IBAN with right check digits."""
    account = f"{37040044_0000000000 + number:018d}"
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def add_payees(conn: Connection, town: BankTown, random: Random, count: int) -> None:
    """Parties with accounts, and what each is owed: from a cent to some hundred euro, with nano beyond the cent."""
    community, coop = town.payouts.community, town.payouts.ids["Coop"]
    chain, anna = town.payouts.chains["Washes"], town.payouts.ids["Anna"]
    lines: dict[Line, int] = {}
    for number in range(count):
        party = number.to_bytes(16, "big")
        new = NewParty(f"Payee {number}", Form.PERSON, ("servicer",), iban_of(number), None)
        insert_party(conn, community, party, new, T0)
        lines[Line(coop, Account.PAYABLE, party, chain, "EUR")] = -random.randint(100 * CENT, 50_000 * CENT)
    lines[Line(coop, Account.RECEIVABLE, anna, chain, "EUR")] = -sum(lines.values())
    journals.post(conn, community, [journals.Entry("month", "test", bytes(32), lines)], T0)


@pytest.fixture(params=["sqlite", "postgresql"])
def town(request: pytest.FixtureRequest) -> Iterator[BankTown]:
    with contextlib.ExitStack() as stack:
        url = "sqlite://"
        if request.param == "postgresql":
            url = stack.enter_context(postgres.database(request.getfixturevalue("postgres_server")))
        made = open_bank_town(url)
        made.payouts.books.database.write_now(add_payees, made, Random(SEED), PAYEES[request.param])
        yield made
        made.payouts.books.database.close()


def test_rejects_returns_and_files_sent_twice_end_in_books_that_close(town: BankTown) -> None:
    random = Random(SEED)
    file = town.released()
    assert pain_xsd.wrong_in(file) == []
    assert town.payouts.file() == file
    assert len(town.ends()) in PAYEES.values()
    ends = town.ends()
    rejected = set(random.sample(ends, 40))
    report = town.bank.execute(file, DAY, rejected)
    town.take(report)
    town.take(report)
    returned = random.sample([one for one in ends if one not in rejected], 25)
    for end in returned[:10]:
        town.bank.send_back(end, DAY)
    for number in range(30):
        town.bank.receive(random.randint(1, 9_999), DAY, f"Somebody {number}", iban_of(9_000 + number))
    first = town.bank.statement(DAY)
    town.take(first)
    town.take(first)
    for end in returned[10:]:
        town.bank.send_back(end, DAY + timedelta(days=2), "MD07")
    town.statement(DAY + timedelta(days=2))
    _check(town, rejected, set(returned))


def _check(town: BankTown, rejected: set[str], returned: set[str]) -> None:
    run = town.run()
    assert run.stored.state is RunState.SETTLED
    back = {one.end_to_end for one in run.payouts if one.outcome == Outcome.RETURNED.value}
    assert back == rejected | returned
    standings = [standing for _, standing in town.standings()]
    assert standings.count("payout") == len(run.payouts) - len(rejected)
    assert standings.count("return") == len(returned)
    assert standings.count("suspense") == 30
    assert town.balance("payout-in-transit") == 0
    town.check_closes()
    again = town.payouts.propose(key="again")
    assert {one.cents for one in again.payouts} == {one.cents for one in run.payouts if one.end_to_end in back}


def add_payers(conn: Connection, town: DebitTown, random: Random, count: int) -> None:
    """Parties with mandates, some of them used before, and what each owes."""
    community, coop, chain = town.payouts.community, town.payouts.ids["Coop"], town.payouts.chains["Washes"]
    lines: dict[Line, int] = {}
    for number in range(count):
        party = number.to_bytes(16, "big")
        insert_party(conn, community, party, NewParty(f"Payer {number}", Form.PERSON, ("user",), None, None), T0)
        sequence = random.choice(list(SequenceType))
        about = NewMandate(
            coop, party, f"M-{number}", CREDITOR_ID, BankParty(f"Payer {number}", iban_of(number)), SIGNED, sequence
        )
        store.insert_mandate(conn, community, Mandate(mandate_id(coop, about.reference), about), T0)
        lines[Line(coop, Account.RECEIVABLE, party, chain, "EUR")] = random.randint(100 * CENT, 50_000 * CENT)
    lines[Line(coop, Account.PAYABLE, coop, chain, "EUR")] = -sum(lines.values())
    journals.post(conn, community, [journals.Entry("month", "test", bytes(32), lines)], T0)


@pytest.fixture(params=["sqlite", "postgresql"])
def payers(request: pytest.FixtureRequest) -> Iterator[DebitTown]:
    with contextlib.ExitStack() as stack:
        url = "sqlite://"
        if request.param == "postgresql":
            url = stack.enter_context(postgres.database(request.getfixturevalue("postgres_server")))
        made = open_debit_town(url)
        made.payouts.books.database.write_now(add_payers, made, Random(SEED), PAYEES[request.param])
        yield made
        made.payouts.books.database.close()


def test_rejected_and_returned_debits_end_in_books_that_close(payers: DebitTown) -> None:
    town, random = payers, Random(SEED)
    before = receivables(town)
    file = town.written()
    assert pain_xsd.wrong_in(file) == []
    assert town.debit_file() == file
    ends = {one.end_to_end: one for one in town.debits().debits}
    assert len(ends) in PAYEES.values()
    rejected = set(random.sample(sorted(ends), 40))
    report = town.bank.execute(file, COLLECTION_DAY, rejected, as_one=True)
    for _ in range(2):
        town.take(report)
    back = random.sample([end for end in sorted(ends) if end not in rejected], 25)
    for end in back[:10]:
        town.bank.send_back(end, COLLECTION_DAY, fee_cents=random.choice([0, 350]))
    first = town.bank.statement(COLLECTION_DAY)
    for _ in range(2):
        town.take(first)
    for end in (*back[10:], back[0]):
        town.bank.send_back(end, COLLECTION_DAY + timedelta(days=40), "MD06")
    town.statement(COLLECTION_DAY + timedelta(days=40))
    standings = [standing for _, standing in town.standings()]
    assert [standings.count(word) for word in ("debits", "debit-return", "suspense")] == [2, 25, 1]
    uncollected = {ends[end].party for end in {*rejected, *back}}
    assert receivables(town) == {party: nano if party in uncollected else nano % CENT for party, nano in before.items()}
    assert town.debits().stored.state is RunState.SETTLED
    town.check_closes()


def receivables(town: DebitTown) -> dict[bytes, int]:
    rows = town.payouts.books.rows(schema.balance)
    return {row["party"]: row["amount"] for row in rows if row["account"] == Account.RECEIVABLE.value}  # type: ignore[misc]
