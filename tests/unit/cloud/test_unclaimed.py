"""Money that nobody can be paid: moved by the community's rule, still owed, on the audit, and claimed back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import insert, update
from support import postgres
from support.books import DAY, T0
from support.payouts import CENT, EURO, IBANS, Payouts, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.errors import BadInput, Conflict, Forbidden, NotFound
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.ledger.balances import as_of
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.ledger.summary import summary
from tallystick_cloud.owner import store as owner
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.errors import BankFileError, PayoutRefused
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.runs.checks import working_day
from tallystick_cloud.settlement.erase import erase_payer, would_erase
from tallystick_cloud.unclaimed import report, service, store
from tallystick_cloud.unclaimed.model import Facts, Reason, old_enough, unpayable

YEAR = 365
LATE = T0 + (YEAR + 10) * DAY


@dataclass
class World:
    """With a rule of a year; Ben has no bank account, the repairer has one."""

    payouts: Payouts

    def due(self, now_ms: int = LATE, erased: str | None = None) -> list[tuple[str, int, Reason]]:
        names = {party: name for name, party in self.payouts.ids.items()}
        party = None if erased is None else self.payouts.ids[erased]
        found = self.payouts.books.database.read_now(service.due, "lindenhof", now_ms, party)
        return [(names[one.owed.party], one.nano, one.reason) for one in found]

    def move(self, now_ms: int = LATE, party: str | None = None, *, is_erased: bool = False) -> list[object]:
        who, maria = None if party is None else self.payouts.ids[party], self.payouts.ids["Maria"]
        return self.payouts.books.database.write_now(
            lambda conn: service.move(conn, "lindenhof", maria, "no answer", now_ms, who, is_erased=is_erased)
        )

    def claim(
        self, number: bytes, by: str = "Maria", bank: service.BankDetails | None = None, now_ms: int = LATE + DAY
    ) -> object:
        args = ("lindenhof", number, self.payouts.ids[by], "passport seen", now_ms, bank)
        return self.payouts.books.database.write_now(service.claim, *args)

    def audit(self) -> list[str]:
        return self.payouts.books.database.read_now(audit)

    def unclaimed(self, name: str = "Ben") -> int:
        return self.payouts.owed(name, account=Account.UNCLAIMED)


def opened(url: str) -> World:
    world = World(open_payouts(url))
    maria = world.payouts.ids["Maria"]
    world.payouts.books.database.write_now(service.decide_rule, "lindenhof", YEAR, "statute, 12", maria, T0)
    world.payouts.earn({"Ben": 5 * EURO, "Repairer": 3 * EURO})
    return world


@pytest.fixture
def world() -> Iterator[World]:
    found = opened("sqlite://")
    yield found
    found.payouts.books.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "sqlite":
        yield request.getfixturevalue("world")
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        found = opened(url)
        yield found
        found.payouts.books.database.close()


def test_moved_by_one_journal_it_stays_owed_and_a_claim_is_paid_by_the_next_run(both: World) -> None:
    at = both.payouts
    assert both.due(T0 + YEAR * DAY - 1) == []
    assert both.due() == [("Ben", 5 * EURO, Reason.NO_ACCOUNT)]
    before = at.books.database.read_now(owner.total, "lindenhof", at.ids["Ben"], owner.OWED, LATE + 1)
    (row,) = both.move()
    assert (at.owed("Ben"), both.unclaimed()) == (0, 5 * EURO)
    assert at.books.database.read_now(owner.total, "lindenhof", at.ids["Ben"], owner.OWED, LATE + 1) == before
    assert at.books.database.read_now(summary, "lindenhof").unclaimed_nano == str(5 * EURO)
    assert at.books.database.read_now(as_of, "lindenhof", LATE - 1, at.ids["Ben"]).popitem()[0][1] == "payable"
    assert (both.audit(), both.due()) == ([], [])
    with pytest.raises(Conflict, match="nothing has waited long enough"):
        both.move()
    number = bytes(row.id)  # type: ignore[attr-defined]
    bank = service.BankDetails("IT60 X054 2811 1010 0000 0123 456", "Ben Berg")
    done = both.claim(number[:4], bank=bank)
    assert (done.identity, done.claimed_ms) == ("passport seen", LATE + DAY)  # type: ignore[attr-defined]
    assert (at.owed("Ben"), both.unclaimed(), both.audit()) == (5 * EURO, 0, [])
    day = at.books.database.read_now(lambda _: working_day(LATE + DAY, 2))
    run = at.propose(now_ms=LATE + DAY, day=day)
    assert {one.creditor.name: one.cents for one in run.payouts} == {"Ben Berg": 500, "Repairer": 300}
    with pytest.raises(Conflict, match="was claimed before"):
        both.claim(number)


def test_without_a_rule_nothing_is_moved(world: World) -> None:
    database = world.payouts.books.database
    database.write_now(lambda conn: conn.execute(schema.unclaimed_rule.delete()))
    for ask in (world.due, world.move):
        with pytest.raises(Conflict, match="has not decided after how many days"):
            ask()
    for days in (29, 36_501):
        with pytest.raises(BadInput, match="30 to 36500"):
            database.write_now(service.decide_rule, "lindenhof", days, "statute", bytes(16), T0)
    with pytest.raises(BadInput, match="decision: must have 1 to 1000 characters"):
        database.write_now(service.decide_rule, "lindenhof", 30, " ", bytes(16), T0)


def test_only_what_was_owed_all_the_time_is_moved(world: World) -> None:
    world.payouts.earn({"Ben": 2 * EURO}, now_ms=T0 + 20 * DAY)  # too young
    world.payouts.earn({"Ben": -1 * EURO}, now_ms=T0 + 30 * DAY)  # a clawback takes the oldest
    assert world.due() == [("Ben", 4 * EURO, Reason.NO_ACCOUNT)]
    world.move()
    assert (world.payouts.owed("Ben"), world.unclaimed()) == (2 * EURO, 4 * EURO)


def test_a_run_that_is_open_is_finished_first(world: World) -> None:
    day = working_day(LATE, 2)
    world.payouts.propose(now_ms=LATE, day=day)
    held = world.payouts.books.dump()
    with pytest.raises(PayoutRefused, match="send it or cancel it first"):
        world.move()
    assert world.payouts.books.dump() == held


def test_a_payout_that_came_back_for_good_is_unclaimed_and_a_new_account_ends_that(world: World) -> None:
    at = world.payouts
    at.propose()
    at.approve("Maria")
    at.file()
    at.sent()
    at.books.database.write_now(payouts.confirm, "lindenhof", 1, Outcome.RETURNED, T0 + 9 * DAY)
    assert world.due(T0 + (YEAR + 9) * DAY - 1) == [("Ben", 5 * EURO, Reason.NO_ACCOUNT)]
    assert ("Repairer", 3 * EURO, Reason.CAME_BACK) in world.due()
    new = {"community": "lindenhof", "party": at.ids["Repairer"], "iban": IBANS["Bank"], "holder": "R"}
    at.books.run(lambda conn: conn.execute(insert(schema.party_account), {**new, "valid_from_ms": LATE - 1}))
    assert world.due() == [("Ben", 5 * EURO, Reason.NO_ACCOUNT)]


def test_an_erased_person_is_named_by_whoever_moves_it(world: World) -> None:
    assert ("Repairer", 3 * EURO, Reason.ERASED) in world.due(erased="Repairer")
    (row,) = world.move(party="Repairer", is_erased=True)
    assert (row.reason, row.nano, row.why) == ("erased", 3 * EURO, "no answer")  # type: ignore[attr-defined]
    assert world.payouts.owed("Ben") == 5 * EURO  # nobody spoke of him


def test_what_was_said_about_an_erased_person_goes_and_the_sum_stays_owed(both: World) -> None:
    (first,) = both.move(party="Ben")
    ben, database = both.payouts.ids["Ben"], both.payouts.books.database
    assert database.write_now(would_erase, "lindenhof", ben, LATE).unclaimed == 1
    assert database.write_now(erase_payer, "lindenhof", ben, LATE).unclaimed == 1
    number = bytes(first.id)  # type: ignore[attr-defined]
    row = database.read_now(service.find, "lindenhof", number)
    assert (row.why, row.identity, row.reason, row.nano) == ("", None, Reason.NO_ACCOUNT.value, 5 * EURO)
    both.claim(number)
    assert database.write_now(erase_payer, "lindenhof", ben, LATE).unclaimed == 1
    assert database.read_now(service.find, "lindenhof", number).identity == ""
    assert database.write_now(erase_payer, "lindenhof", ben, LATE).unclaimed == 0
    assert (both.payouts.owed("Ben"), both.audit()) == (5 * EURO, [])


def test_claims_that_are_refused_leave_everything_as_it_was(world: World) -> None:
    (row,) = world.move()
    number, before = bytes(row.id), world.payouts.books.dump()  # type: ignore[attr-defined]
    with pytest.raises(Forbidden, match="somebody else looks at the proof of identity"):
        world.claim(number, by="Ben")
    for wrong in (b"", bytes(32)):
        with pytest.raises(NotFound, match="see `tallystick unclaimed list`"):
            world.claim(wrong)
    with pytest.raises(BankFileError, match="--iban"):
        world.claim(number, bank=service.BankDetails("IT60X0542811101000000123457", "Ben"))
    assert world.payouts.books.dump() == before


def test_the_audit_finds_money_that_was_moved_by_nobody(world: World) -> None:
    world.move()
    forged = update(schema.unclaimed).values(nano=schema.unclaimed.c.nano + 1)
    world.payouts.books.run(lambda conn: conn.execute(forged))
    (found,) = world.audit()
    assert f"is {5 * EURO}, what was moved says {5 * EURO + 1}" in found


def test_pure_rules() -> None:
    owed = service.payouts.Owed(b"h", Account.PAYABLE, b"p", b"c", "EUR", 7 * CENT)
    assert old_enough(Facts(owed, then=9 * CENT, left=4 * CENT, disputed=0)) == 5 * CENT
    assert old_enough(Facts(owed, then=9 * CENT, left=0, disputed=3 * CENT)) == 4 * CENT
    assert old_enough(Facts(owed, then=-CENT, left=0, disputed=0)) == 0
    assert unpayable([(0, 5)], None, 5, is_erased=False) is Reason.NO_ACCOUNT
    assert unpayable([(0, 6)], None, 5, is_erased=False) is None
    assert unpayable([(0, None)], ("returned", 5), 5, is_erased=False) is Reason.CAME_BACK
    assert unpayable([(0, None)], ("returned", 6), 5, is_erased=False) is None  # not long enough ago
    assert unpayable([(0, None)], ("paid", 1), 5, is_erased=False) is None
    assert unpayable([(0, None), (8, None)], ("returned", 2), 5, is_erased=False) is None


def test_the_list_is_text_json_and_csv(world: World) -> None:
    rows = world.move()
    number = bytes(rows[0].id)  # type: ignore[attr-defined]
    world.claim(number)
    listed = world.payouts.books.database.read_now(store.listed, "lindenhof")
    names = {party: name for name, party in world.payouts.ids.items()}
    text = report.as_text(listed[0], names)
    assert text == (
        f"{number.hex()[:8]}  2027-11-11  Ben: 5.00 EUR, owed by Coop; no account: no answer; "
        "claimed on 2027-11-12, Maria: passport seen"
    )
    said = json.loads(json.dumps(report.as_json(listed[0], names)))
    assert (said["nano"], said["party"], said["claimed_by"]) == ("5000000000", "Ben", "Maria")
    assert (
        report.csv_text(listed, names)
        .splitlines()[1]
        .startswith(f"{number.hex()},Ben,Coop,5.00,EUR,no account,no answer,")
    )
