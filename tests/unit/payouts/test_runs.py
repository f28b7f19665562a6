"""A payout run step by step: who may, what moves in the books, what a refusal leaves unchanged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date

import pytest
from sqlalchemy import insert, update
from support import pain_xsd
from support.books import T0
from support.payouts import CENT, DAY, EURO, IBANS, TOWN, Payouts, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.errors import BadInput, CloudError, NotFound
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.parties.service import set_account
from tallystick_cloud.payouts import service
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_cloud.payouts.model import Outcome, Reason
from tallystick_cloud.payouts.report import as_json, as_text
from tallystick_cloud.payouts.service import approve_signed
from tallystick_cloud.payouts.view import run_view
from tallystick_cloud.runs.errors import NotSecondPerson
from tallystick_cloud.runs.model import Proposal, RunState
from tallystick_protocol import cose
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import P256Signer
from tallystick_protocol.records import Approval


@pytest.fixture
def town() -> Iterator[Payouts]:
    made = open_payouts()
    made.earn({"Repairer": 12 * EURO + 3 * CENT + 7, "Bank": 40 * EURO, "Fund": 2 * EURO, "Coop": 9 * EURO})
    yield made
    made.books.database.close()


@dataclass(frozen=True)
class Unchanged:
    """Holds that a refused step leaves every row of every table as it was."""

    town: Payouts

    def when(self, kind: type[CloudError], words: str, act: Callable[[], object]) -> None:
        before = self.town.books.dump()
        with pytest.raises(kind) as caught:
            act()
        assert words in str(caught.value)
        assert self.town.books.dump() == before


def released(town: Payouts) -> None:
    town.propose()
    town.approve("Maria")


def test_a_run_pays_whole_cents_and_says_what_it_holds_back(town: Payouts) -> None:
    run = town.propose()
    assert {one.creditor.name: one.cents for one in run.payouts} == {"Repairer": 1203, "Bank": 4000, "Fund": 200}
    assert [(one.party, one.reason) for one in run.held] == [("Coop", Reason.OWN)]
    assert run.stored.state is RunState.PROPOSED
    assert run.missing == ("a second person must approve it",)


def test_nothing_moves_in_the_books_before_the_bank_has_the_file(town: Payouts) -> None:
    before = town.books.rows(schema.balance)
    released(town)
    town.file()
    assert town.books.rows(schema.balance) == before


def test_sent_is_in_transit_and_the_rest_stays_on_the_account(town: Payouts) -> None:
    released(town)
    town.file()
    assert town.sent().stored.state is RunState.SENT
    assert town.owed("Repairer") == 7
    assert town.owed("Repairer", account=Account.PAYOUT_IN_TRANSIT) == 12 * EURO + 3 * CENT
    assert town.owed("Fund") == 0
    assert town.books.audit() == []


def test_paid_leaves_the_collectors_bank_account(town: Payouts) -> None:
    released(town)
    town.file()
    town.sent()
    run = town.books.database.write_now(service.confirm, town.community, 1, Outcome.PAID, T0)
    assert run.stored.state is RunState.SETTLED
    assert town.owed("Repairer", account=Account.PAYOUT_IN_TRANSIT) == 0
    assert town.owed("Coop", account=Account.BANK) == 54 * EURO + 3 * CENT
    assert town.books.audit() == []


@pytest.mark.parametrize("was_paid", [False, True])
def test_what_comes_back_is_owed_again_and_paid_by_the_next_run(town: Payouts, was_paid: bool) -> None:
    released(town)
    town.file()
    run = town.sent()
    confirm = town.books.database.write_now
    if was_paid:
        confirm(service.confirm, town.community, 1, Outcome.PAID, T0)
    back = next(one.id for one in run.payouts if one.creditor.name == "Bank")
    confirm(service.confirm, town.community, 1, Outcome.RETURNED, T0, [back])
    assert town.owed("Bank") == 40 * EURO
    assert town.owed("Bank", account=Account.PAYOUT_IN_TRANSIT) == 0
    others = 14 * EURO + 3 * CENT
    assert town.owed("Coop", account=Account.BANK) == (others if was_paid else 0)
    assert town.books.audit() == []
    again = town.propose(key="two")
    assert [(one.creditor.name, one.cents) for one in again.payouts] == [("Bank", 4000)]
    assert again.payouts[0].id != back


def test_a_returned_payout_cannot_become_paid(town: Payouts) -> None:
    released(town)
    town.file()
    town.sent()
    write = town.books.database.write_now
    write(service.confirm, town.community, 1, Outcome.RETURNED, T0)
    ids = [one.id for one in town.books.database.read_now(service.show, town.community, 1).payouts]
    refused = Unchanged(town)
    refused.when(
        PayoutRefused, "came back before", lambda: write(service.confirm, town.community, 1, Outcome.PAID, T0, ids)
    )
    refused.when(
        NotFound, "is not in run 1", lambda: write(service.confirm, town.community, 1, Outcome.PAID, T0, [bytes(32)])
    )


def test_every_step_done_twice_changes_nothing_the_second_time(town: Payouts) -> None:
    write = town.books.database.write_now
    steps: list[Callable[[], object]] = [
        town.propose,
        lambda: town.approve("Maria"),
        town.file,
        town.sent,
        lambda: write(service.confirm, town.community, 1, Outcome.PAID, T0),
    ]
    for step in steps:
        first = step()
        before = town.books.dump()
        assert step() == first
        assert town.books.dump() == before
    for step in steps[:4]:  # and late, after all the others
        step()
        assert town.books.dump() == before


def test_the_file_is_valid_and_its_ids_come_from_the_payouts(town: Payouts) -> None:
    released(town)
    data = town.file()
    run = town.books.database.read_now(service.show, town.community, 1)
    assert pain_xsd.wrong_in(data) == []
    assert pain_xsd.texts(data, "EndToEndId") == [one.id[:16].hex() for one in run.payouts]
    assert pain_xsd.texts(data, "IBAN") == [IBANS["Coop"], *(one.creditor.iban for one in run.payouts)]
    assert "Washes, payout 1" in pain_xsd.texts(data, "Ustrd")


def test_the_file_is_the_same_bytes_after_everything_else_has_changed(town: Payouts) -> None:
    released(town)
    first = town.file()
    town.sent()
    town.earn({"Repairer": -5 * EURO}, now_ms=T0 + 1)
    with town.books.database.engine.begin() as conn:
        conn.execute(update(schema.party_account).values(iban=IBANS["Bank"], holder="Somebody"))
        conn.execute(update(schema.party).where(schema.party.c.name == "Repairer").values(name="New name"))
    assert town.file(now_ms=T0 + 999) == first


def test_the_proposer_never_releases_its_own_run(town: Payouts) -> None:
    town.propose(by="Maria")
    refused = Unchanged(town)
    refused.when(NotSecondPerson, "Maria proposed run 1; somebody else", lambda: town.approve("Maria"))
    refused.when(NotSecondPerson, "Stranger may not release", lambda: town.approve("Stranger"))
    assert town.approve("Coop").stored.state is RunState.APPROVED


def test_a_contract_can_ask_for_another_party_than_the_collector(town: Payouts) -> None:
    town.earn({"Bank": 5 * EURO}, contract="Drying")
    town.propose(by="Coop")
    run = town.approve("Maria")
    assert run.stored.state is RunState.PROPOSED
    assert run.missing == ("a party of 'Drying' other than the collector must approve it",)
    Unchanged(town).when(PayoutRefused, "is not released; a party of 'Drying'", town.file)
    assert town.approve("Repairer").stored.state is RunState.APPROVED


def test_the_collector_is_no_other_party_even_as_second_person(town: Payouts) -> None:
    town.earn({"Bank": 5 * EURO}, contract="Drying")
    town.propose(by="Maria")
    assert town.approve("Coop").missing


def test_only_the_collector_or_a_manager_handles_runs(town: Payouts) -> None:
    refused = Unchanged(town)
    refused.when(NotSecondPerson, "Repairer may not handle payouts; Coop or a", lambda: town.propose(by="Repairer"))
    released(town)
    town.file()
    refused.when(NotSecondPerson, "Anna may not handle", lambda: town.sent(by="Anna"))


def test_rows_that_changed_behind_a_written_file_give_no_second_one(town: Payouts) -> None:
    released(town)
    first = town.file()
    assert town.file() == first
    changed = update(schema.payout).values(creditor="Somebody Else")
    town.books.database.write_now(lambda conn: conn.execute(changed))
    with pytest.raises(InvariantError, match="payout run 1 is not the one that was written first"):
        town.file()


def test_steps_out_of_order_are_refused_with_the_next_step(town: Payouts) -> None:
    write = town.books.database.write_now
    town.propose()
    refused = Unchanged(town)
    refused.when(PayoutRefused, "is not released; a second person must approve it", town.file)
    refused.when(PayoutRefused, "is proposed; write its bank file first", town.sent)
    refused.when(
        PayoutRefused, "mark it as sent first", lambda: write(service.confirm, town.community, 1, Outcome.PAID, T0)
    )
    refused.when(NotFound, "2 does not exist", lambda: town.approve("Maria", 2))
    town.approve("Maria")
    refused.when(PayoutRefused, "is approved; only a proposed one", lambda: town.approve("Repairer"))
    town.file()
    town.sent()
    refused.when(
        PayoutRefused, "is at the bank", lambda: write(service.cancel, town.community, 1, town.ids["Coop"], T0)
    )


def test_one_run_of_a_collector_at_a_time(town: Payouts) -> None:
    town.propose()
    refused = Unchanged(town)
    refused.when(PayoutRefused, "1 of Coop is proposed; send it or cancel it first", lambda: town.propose(key="two"))
    refused.when(PayoutRefused, "named run 1 with other content", lambda: town.propose(day=date(2026, 11, 6)))
    write = town.books.database.write_now
    cancelled = write(service.cancel, town.community, 1, town.ids["Maria"], T0)
    assert cancelled.stored.state is RunState.CANCELLED
    assert write(service.cancel, town.community, 1, town.ids["Maria"], T0) == cancelled
    refused.when(PayoutRefused, "is cancelled; propose a new one", town.file)
    assert town.propose(key="two").stored.number == 2


def test_a_clawback_after_the_proposal_stops_its_release(town: Payouts) -> None:
    town.propose()
    town.earn({"Bank": -1 * EURO})
    Unchanged(town).when(PayoutRefused, "less is owed to Bank now than run 1 pays", lambda: town.approve("Maria"))


@pytest.mark.parametrize("step", ["approve", "file"])
def test_an_account_that_changed_since_the_proposal_stops_the_run(town: Payouts, step: str) -> None:
    town.propose()
    if step == "file":
        town.approve("Maria")
    with town.books.database.engine.begin() as conn:
        conn.execute(
            insert(schema.party_account).values(
                community=town.community, party=town.ids["Bank"], iban=IBANS["Fund"], holder="Bank", valid_from_ms=T0
            )
        )
    act = town.file if step == "file" else lambda: town.approve("Maria")
    Unchanged(town).when(PayoutRefused, "the account of Bank has changed since run 1", act)


def changed(town: Payouts, name: str, iban: str) -> None:
    town.books.database.write_now(set_account, town.community, town.ids[name], iban, name, T0 + 1)


@pytest.mark.parametrize("outcome", [None, Outcome.PAID, Outcome.RETURNED])
def test_whoever_is_paid_to_another_account_than_last_time_is_named_until_the_bank_has_it(
    town: Payouts, outcome: Outcome | None
) -> None:
    """A changed account is how payouts are stolen: the second person sees it. What came back was no payment."""
    assert town.propose().elsewhere == frozenset()  # nobody was ever paid
    town.approve("Maria")
    town.file()
    town.sent()
    if outcome is not None:
        town.books.database.write_now(service.confirm, town.community, 1, outcome, T0)
    changed(town, "Bank", IBANS["Fund"])
    changed(town, "Repairer", IBANS["Repairer"])  # the same again
    town.earn({"Repairer": 5 * EURO, "Bank": 5 * EURO})
    run = town.propose(key="two", now_ms=T0 + 2)
    expected = set() if outcome is Outcome.RETURNED else {town.ids["Bank"]}
    assert run.elsewhere == expected
    names = {party: name for name, party in town.ids.items()}
    said = as_json(run, names)["payouts"]
    assert {one["party"] for one in said if one["is_other_account"]} == ({"Bank"} if expected else set())
    assert ("another account than last time" in as_text(run, names)) is bool(expected)
    view = run_view(run, town.ids["Maria"], names, may_act=True, w=Wording("en", UTC))
    assert ("Ask Bank whether the new account is right" in view.warning) is bool(expected)
    assert [one.name for one in view.lines if one.mark == "warn"] == (["Bank"] if expected else [])
    town.approve("Maria", 2, T0 + 3)
    town.file(2, T0 + 3)
    assert town.sent(number=2, now_ms=T0 + 3).elsewhere == frozenset()


def test_a_clawback_after_sending_is_a_debt_that_the_next_earnings_settle(town: Payouts) -> None:
    released(town)
    town.file()
    town.sent()
    town.earn({"Bank": -15 * EURO, "Repairer": 3 * EURO})
    run = town.propose(key="two")
    assert [one.creditor.name for one in run.payouts] == ["Repairer"]
    debt = next(one for one in run.held if one.party == "Bank")
    assert (debt.nano, debt.reason) == (-15 * EURO, Reason.DEBT)


def test_the_run_day_must_be_ahead(town: Payouts) -> None:
    refused = Unchanged(town)
    refused.when(BadInput, "execution day: is 2026-10-31", lambda: town.propose(day=date(2026, 10, 31)))
    refused.when(BadInput, "execution day", lambda: town.propose(day=date(2028, 1, 1)))


def test_only_a_collector_pays_out(town: Payouts) -> None:
    asked = Proposal("one", town.ids["Coop"], town.ids["Repairer"], DAY)
    write = town.books.database.write_now
    Unchanged(town).when(
        PayoutRefused, "Repairer owes nobody", lambda: write(service.propose, town.community, asked, T0)
    )


def test_only_what_statements_closed_with_is_paid_when_that_is_asked(town: Payouts) -> None:
    asked = Proposal("one", town.ids["Coop"], None, DAY)
    line = town._line(town.ids["Coop"], "Bank", town.chains["Washes"])
    run = town.books.database.write_now(service.propose, town.community, asked, T0, {line: 30 * EURO + 9})
    assert [(one.creditor.name, one.cents) for one in run.payouts] == [("Bank", 3000)]
    assert {one.party: one.reason for one in run.held if one.party != "Coop"} == {
        "Repairer": Reason.NOT_SETTLED,
        "Fund": Reason.NOT_SETTLED,
    }


def test_a_signed_yes_is_logged_and_one_by_another_key_is_refused(town: Payouts) -> None:
    run = town.propose()
    context = town.books.aggregator.of(town.community)
    maria = town.ids["Maria"]
    write = town.books.database.write_now

    def yes(about: bytes, key: P256Signer, *, said: bool = True) -> bytes:
        approval = Approval(bytes(16), H32(about), PartyId(maria), said)
        return cose.sign(key, cose.ContentType.APPROVAL, approval.encode())

    hosted = town.books.founded.hosted
    with pytest.raises(ProtocolError):
        write(approve_signed, context, yes(run.stored.id, P256Signer.generate()), T0)
    refused = Unchanged(town)
    refused.when(
        BadInput,
        "is not the one who signed",
        lambda: write(approve_signed, context, yes(run.stored.id, hosted[town.ids["Anna"]]), T0),
    )
    refused.when(
        BadInput,
        "cancel the run instead",
        lambda: write(approve_signed, context, yes(run.stored.id, hosted[maria], said=False), T0),
    )
    refused.when(
        NotFound, "is no payout run", lambda: write(approve_signed, context, yes(bytes(32), hosted[maria]), T0)
    )
    before = len(town.books.rows(schema.log_leaf))
    done = write(approve_signed, context, yes(run.stored.id, hosted[maria]), T0)
    assert done.stored.state is RunState.APPROVED
    assert len(town.books.rows(schema.log_leaf)) == before + 1
    assert [row["leaf"] for row in town.books.rows(schema.payout_approval)] == [before]


def test_a_collector_without_an_account_cannot_pay() -> None:
    town = open_payouts(town=TOWN.replace(f'iban = "{IBANS["Coop"]}"\n', ""))
    town.earn({"Bank": 5 * EURO})
    Unchanged(town).when(PayoutRefused, "Coop has no bank account to pay from", town.propose)


def test_payees_without_account_or_below_the_threshold_are_held_back_with_the_next_step() -> None:
    town = open_payouts(town=TOWN.replace(f'iban = "{IBANS["Repairer"]}"\n', "").replace('"Stranger"', '"Мария"'))
    town.earn({"Repairer": 12 * EURO, "Fund": EURO - 1, "Bank": EURO, "Ben": 0})
    run = town.propose()
    assert [(one.creditor.name, one.cents) for one in run.payouts] == [("Bank", 100)]
    held = {one.party: one for one in run.held}
    assert held["Repairer"].reason is Reason.NO_ACCOUNT
    assert held["Repairer"].next_step == (
        "ask Repairer for an IBAN and add it (tallystick party account); the next run pays"
    )
    assert held["Fund"].reason is Reason.BELOW_THRESHOLD
    assert "paid from 1.00 EUR on" in held["Fund"].next_step
    assert "Ben" not in held


def test_a_run_with_nothing_to_pay_says_what_it_holds_back() -> None:
    town = open_payouts()
    refused = Unchanged(town)
    refused.when(PayoutRefused, "nothing is owed", town.propose)
    town.earn({"Fund": 5})
    refused.when(PayoutRefused, "held back: Fund (Washes): below the threshold", town.propose)
