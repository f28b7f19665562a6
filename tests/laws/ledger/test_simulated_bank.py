"""A month of 2,000 payees (200 on PostgreSQL) at a bank that rejects, returns and sends files twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Connection
from support import pain_xsd, postgres
from support.bank import BankTown, open_bank_town
from support.books import T0
from support.payouts import CENT, DAY
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.parties.model import Form, NewParty
from tallystick_cloud.parties.store import insert_party
from tallystick_cloud.payouts.model import Outcome, RunState

PAYEES = {"sqlite": 2_000, "postgresql": 200}
SEED = 20261129


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
