"""The house bill of EUR 1,234.56 over twelve flats: posted once, in statements, collected, taken back once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, insert, select
from support.books import DAY as DAY_MS
from support.books import T0
from support.debits import CREDITOR_ID
from support.shared_house import (
    CENTS,
    HEAD,
    IBAN,
    PEOPLE,
    USED,
    House,
    flat_text,
    house,
    open_house,
    reading,
    readings,
)
from tallystick_cloud import schema
from tallystick_cloud.bank.due import all_dues
from tallystick_cloud.bank.intake import take
from tallystick_cloud.costs import service
from tallystick_cloud.costs.errors import CostRefused
from tallystick_cloud.debits import mandates
from tallystick_cloud.debits import service as debits
from tallystick_cloud.debits.mandate import NewMandate
from tallystick_cloud.errors import CloudError, Forbidden, NotFound
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.runs.model import Proposal
from tallystick_cloud.settlement.payable import settled_lines
from tallystick_cloud.statements import service as statements
from tallystick_cloud.statements import view
from tallystick_cloud.statements.model import all_final
from tallystick_cloud.uses.model import Reader
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.toml_cost import load_cost
from tallystick_sim.bank import SimBank

NANO = 10**7
W = Wording("en", ZoneInfo("Europe/Berlin"))
CH = 'portion = "70 %"\nby = "use"\nquantity = "heat"'


@pytest.fixture
def home() -> Iterator[House]:
    made = open_house()
    yield made
    made.books.database.close()


@pytest.fixture(scope="module")
def still() -> Iterator[House]:
    """A house in which nothing is ever posted."""
    made = open_house()
    yield made
    made.books.database.close()


def owed(home: House) -> dict[str, int]:
    """Cents by payer."""
    dues = home.books.database.read_now(all_dues, home.books.community, T0)
    return {one.payer: one.cents for one in dues}


def balances(home: House) -> list[tuple[object, ...]]:
    """All accounts that are not even."""

    def read(conn: Connection) -> list[tuple[object, ...]]:
        return [tuple(row) for row in conn.execute(select(schema.balance).where(schema.balance.c.amount != 0))]

    return home.books.database.read_now(read)


def test_shares_make_the_bill_and_each_is_floor_or_ceiling(home: House) -> None:
    shared = home.post(house())
    areas = {flat.asset: flat.area for flat in load_cost(house()).flats}
    for one, used in zip(shared.shares, USED, strict=True):
        exact = CENTS * (Fraction(7, 10) * used / sum(USED) + Fraction(3, 10) * areas[one.asset] / sum(areas.values()))
        assert exact - 1 < one.cents < exact + 1
    assert sum(one.cents for one in shared.shares) == CENTS
    assert owed(home) == {PEOPLE[at]: one.cents for at, one in enumerate(shared.shares)}
    assert sum(owed(home).values()) == CENTS
    assert home.books.audit() == []


def test_the_same_again_changes_nothing_and_other_content_is_refused(home: House) -> None:
    text = house()
    home.post(text)
    before = home.books.dump()
    assert home.post(text + "\n# a comment\n").again
    for other in (
        text.replace("1234.56", "1234.57"),
        text.replace("item 3", "item 4"),
        text.replace("62.5", "62.6", 1),
    ):
        with pytest.raises(CostRefused, match="posted before with other content"):
            home.post(other)
    assert home.books.dump() == before


def test_a_reversal_restores_every_balance_once(home: House) -> None:
    before = balances(home)
    home.post(house())
    back = home.reverse()
    assert back.stored.reversed_why == "wrong amount"
    assert balances(home) == before
    dump = home.books.dump()
    assert home.reverse().again
    assert home.books.dump() == dump
    with pytest.raises(CostRefused, match="was taken back: wrong amount; post it under another id"):
        home.post(house())
    home.post(house().replace("heating 2025", "heating 2025 corrected"))
    assert sum(owed(home).values()) == CENTS
    assert home.books.audit() == []


def refused(home: House, kind: type[CloudError | ProtocolError], words: str, act: Callable[[], object]) -> None:
    before = home.books.dump()
    with pytest.raises(kind, match=words):
        act()
    assert home.books.dump() == before


def test_who_may_not_and_what_does_not_exist_is_refused(still: House) -> None:
    text = house()
    refused(still, Forbidden, "Anna may not share bills; Coop or a community manager", lambda: still.post(text, "Anna"))
    refused(
        still,
        CostRefused,
        r"flat flat-01, lives: 'Zoe' is not in lindenhof",
        lambda: still.post(text.replace('"Anna"', '"Zoe"')),
    )
    refused(still, CostRefused, "flat-99: is no asset", lambda: still.post(text.replace("flat-01", "flat-99")))
    refused(still, CostRefused, "this is lindenhof", lambda: still.post(text.replace('"lindenhof"', '"other"')))
    refused(still, CostRefused, "bill: is missing", lambda: still.post(house(bill="")))
    refused(still, CostRefused, "not over yet", lambda: still.post(text.replace("2025-12-31", "2026-11-01")))
    refused(still, NotFound, "was not posted", still.reverse)
    assert still.check(house(bill="")) == []


def test_a_missing_reading_names_the_flat_and_from_when_to_when(still: House) -> None:
    for read, words in (
        ("", r"flat flat-04: has no channel that counts heat; add \[\[reading\]\]s for 2025-01-01 and 2026-01-01"),
        (
            reading(3, "2025-01-01", 5),
            r"flat flat-04: has no \[\[reading\]\] of heat on 2026-01-01; its days go from 2025-01-01",
        ),
        (reading(3, "2025-01-01", 5) + reading(3, "2026-01-01", 4), "flat flat-04: reads less on 2026-01-01"),
    ):
        refused(still, CostRefused, words, lambda read=read: still.post(house(read={3: read})))  # type: ignore[misc]


def test_nobody_used_anything(still: House) -> None:
    nothing = {at: reading(at, "2025-01-01", 7) + reading(at, "2026-01-01", 7) for at in range(12)}
    refused(still, ProtocolError, "nobody has any in these days; say if_none", lambda: still.post(house(read=nothing)))
    charges = still.check(house(HEAD.replace(CH, f'{CH}\nif_none = "area"'), read=nothing))
    area = sum(one.stay.flat.area for one in charges)
    assert [one.exact for one in charges] == [one.stay.flat.area / area for one in charges]
    assert {part.by.value for one in charges for part in one.parts} == {"area"}


def test_who_moves_pays_by_days_and_by_own_use_and_the_owner_pays_vacancy(still: House) -> None:
    lives = """\
[[flat.lives]]
name = "Anna"
last_day = 2025-03-31
[[flat.lives]]
name = "Ben"
first_day = 2025-06-01
"""
    read = readings(0) + reading(0, "2025-04-01", 10_900) + reading(0, "2025-06-01", 10_901)
    charges = still.check(house(flats={0: flat_text(0, lives)}, read={0: read}))
    stays = [one for one in charges if one.stay.flat.asset == "flat-01"]
    assert [(one.stay.payer, one.stay.days, one.stay.people) for one in stays] == [
        ("Anna", 90, 1),
        ("Coop", 61, 0),
        ("Ben", 214, 1),
    ]
    assert [one.parts[0].own for one in stays] == [900, 1, 300]
    assert [one.parts[1].own for one in stays] == [Fraction(125, 2) * days for days in (90, 61, 214)]
    assert sum(one.cents for one in charges) == CENTS


def test_the_owners_part_is_nobodys_debt(home: House) -> None:
    home.post(house(flats={0: flat_text(0, "")}))
    assert "Coop" not in owed(home)
    shared = home.books.database.read_now(service.show, home.books.community, "heating 2025")
    (own,) = [one.cents for one in shared.shares if one.asset == "flat-01"]
    assert sum(owed(home).values()) == CENTS - own
    assert statement(home, "Coop") == []
    recovered = [row["amount"] for row in home.books.rows(schema.balance) if row["account"] == "own"]
    assert recovered == [-(CENTS - own) * NANO]


@pytest.mark.parametrize("by", ["people", "share", "area", "flat"])
def test_a_key_of_one_measure(still: House, by: str) -> None:
    head = HEAD[: HEAD.index("[[cost.key]]")] + f'[[cost.key]]\nportion = 1\nby = "{by}"\n'
    charges = still.check(house(head))
    weights = {
        "people": [Fraction(one.stay.people) for one in charges],
        "share": [one.stay.flat.share for one in charges],
        "area": [one.stay.flat.area for one in charges],
        "flat": [Fraction(1) for _ in charges],
    }[by]
    assert [one.exact for one in charges] == [one / sum(weights) for one in weights]


def statement(home: House, name: str) -> list[view.AccountView]:
    def read(conn: Connection) -> tuple[statements.Account, ...]:
        reader = Reader(home.books.community, home.ids[name], False, "test", T0)
        return statements.accounts(conn, reader, Span.of("2026-11", T0 + 20 * DAY_MS, "Europe/Berlin"))

    return [view.account_view(one, W) for one in home.books.database.write_now(read)]


def test_from_bill_to_statement_to_debit_and_back(home: House) -> None:
    """The whole way for the house: each flat's share is due, all are collected, one comes back."""
    home.post(house())
    due = owed(home)
    (account,) = statement(home, "Anna")
    assert (account.contract, account.is_contract) == ("Heating of the house", False)
    assert account.state == "decided by owners' meeting of 2025-11-14, item 3"
    row = account.rows[1]
    assert row.what == "heating 2025"
    assert row.nano == -due["Anna"] * NANO
    assert row.detail == (
        "flat-01, 2025-01-01 to 2025-12-31, of 1,234.56: 70 % by use, your part 10.43 %; 30 % by area, your part 8.66 %"
    )
    database, community, bank = home.books.database, home.books.community, SimBank(IBAN, 0)
    for at, name in enumerate(PEOPLE):
        number = f"{37040044_0000000000 + at:018d}"
        iban = f"DE{98 - int(number + '131400') % 97:02d}{number}"
        about = NewMandate(
            home.ids["Coop"], home.ids[name], f"M-{at}", CREDITOR_ID, BankParty(name, iban), date(2025, 1, 1)
        )
        database.write_now(mandates.add, community, about, T0)
    day = date(2026, 11, 20)
    run = database.write_now(debits.propose, community, Proposal("k", home.ids["Coop"], None, day), T0)
    assert {names(home)[one.party]: one.cents for one in run.debits} == due
    database.write_now(debits.approve, community, 1, home.ids["Maria"], T0)
    file = database.write_now(debits.bank_file, community, 1, T0)
    bank.execute(file, day)
    end = next(one.end_to_end for one in run.debits if one.party == home.ids["Ben"])
    database.write_now(take, community, bank.statement(day), T0 + 1)
    assert owed(home) == {}
    bank.send_back(end, day + timedelta(days=2), "AM04")
    database.write_now(take, community, bank.statement(day + timedelta(days=2)), T0 + 2)
    assert owed(home) == {"Ben": due["Ben"]}
    assert [(row.what, row.nano) for row in statement(home, "Ben")[0].rows[1:-1]] == [
        ("heating 2025", -due["Ben"] * NANO),
        ("Payment received", due["Ben"] * NANO),
        ("Payment that your bank took back", -due["Ben"] * NANO),
    ]
    assert home.books.audit() == []


def names(home: House) -> dict[bytes, str]:
    return {party: name for name, party in home.ids.items()}


def test_a_month_is_final_when_its_contracts_are_and_a_bill_does_not_change_that() -> None:
    signed = statements.Account(b"c", "Washes", "EUR", 0, (), 0, (1, bytes(32), T0))
    bills = replace(signed, contract="Heating", settlement=None, decision="a meeting")
    assert all_final([signed, bills])
    assert not all_final([bills])
    assert not all_final([replace(signed, settlement=None), bills])


def test_a_supplier_is_owed_the_bill_and_paid_by_a_payout_run(home: House) -> None:
    supplied = house(
        HEAD.replace('collector = "Coop"', 'collector = "Coop"\nsupplier = "Repairer"'), flats={0: flat_text(0, "")}
    )
    before = balances(home)
    shared = home.post(supplied)
    (own,) = [one.cents for one in shared.shares if one.asset == "flat-01"]
    accounts = {
        row["account"]: row["amount"] for row in home.books.rows(schema.balance) if row["account"] != "receivable"
    }
    assert accounts == {"payable": -CENTS * NANO, "own": own * NANO}
    (account,) = statement(home, "Repairer")
    assert [(row.what, row.detail, row.nano) for row in account.rows[1:-1]] == [
        ("heating 2025", "2025-01-01 to 2025-12-31", CENTS * NANO)
    ]
    assert account.rows[-1].what == "Balance now"
    asked = Proposal("k", home.ids["Coop"], None, date(2026, 11, 20))
    settle_something(home)

    def pay(conn: Connection) -> Run:
        return payouts.propose(conn, home.books.community, asked, T0, settled_lines(conn, home.books.community))

    run = home.books.database.write_now(pay)
    assert [(one.creditor.name, one.contract, one.cents) for one in run.payouts] == [
        ("Repairer", "Heating of the house", CENTS)
    ]
    released = home.books.database.write_now(payouts.approve, home.books.community, 1, home.ids["Maria"], T0)
    assert released.missing == ()
    home.reverse()
    assert balances(home) == before
    (account,) = statement(home, "Repairer")
    assert [row.nano for row in account.rows[1:-1]] == [CENTS * NANO, -CENTS * NANO]


def settle_something(home: House) -> None:
    """Once anything is settled, only what is settled is paid; a bill is owed as it stands."""
    row = {"h": bytes(32), "community": home.books.community, "chain": bytes(32), "number": 1, "unit": "EUR"}
    row |= {"from_ms": 0, "to_ms": 1, "envelope": b"", "leaf": 0, "closed_ms": 1}
    home.books.database.write_now(lambda conn: conn.execute(insert(schema.settlement), row))
