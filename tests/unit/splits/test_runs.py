"""Money that a payment provider splits: what it is told, what never reaches a bank file, and how the books close."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from support.books import DAY, T0, follows, open_books
from support.pools import open_community, toml
from support.settled import AFTER_DECEMBER, DECEMBER
from support.splits import CENT, DAY_OF_RUN, NOW, PARTIES, PSP, Splits
from support.splits import town as split_town
from support.uploads import Randomness
from tallystick_cloud import schema
from tallystick_cloud.bank import store as bank
from tallystick_cloud.bank.due import all_dues
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.debits import store as debits
from tallystick_cloud.disputes.service import Said, decide, open_dispute
from tallystick_cloud.errors import BadInput, CloudError, NotFound
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.owner import service as owner
from tallystick_cloud.owner import view
from tallystick_cloud.owner.model import Home, Stage
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.model import Reason as Kept
from tallystick_cloud.runs.errors import NotSecondPerson
from tallystick_cloud.runs.model import Proposal, RunState
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_cloud.settlement.payable import settled_lines
from tallystick_cloud.splits import service, store
from tallystick_cloud.splits.errors import SplitRefused
from tallystick_cloud.splits.instructions import COLUMNS, Format
from tallystick_cloud.splits.model import Outcome
from tallystick_cloud.town.service import agree
from tallystick_cloud.uses.model import Reader
from tallystick_protocol.money.contract import Contract, Mode

CHARGED = 2 * 120 + 2 * 185
"""Cents of two gentle and two hot washes; what no share makes a whole cent of waits."""


@pytest.fixture(scope="module")
def founded() -> Iterator[tuple[Splits, Callable[[], None]]]:
    made = Splits()
    yield made, made.saved()
    made.books.database.close()


@pytest.fixture
def town(founded: tuple[Splits, Callable[[], None]]) -> Splits:
    made, restore = founded
    restore()
    return made


def refused(town: Splits, kind: type[CloudError], words: str, act: Callable[[], object]) -> None:
    before = town.books.dump()
    with pytest.raises(kind) as caught:
        act()
    assert words in str(caught.value)
    assert town.books.dump() == before


def test_the_totals_of_the_instructions_are_those_of_the_ledger(town: Splits) -> None:
    before = town.owed()
    run = town.propose()
    (payment,) = run.payments
    given = {part.name: part.cents for part in payment.parts}
    assert given == {name: nano // CENT for name, nano in before.items()}
    assert payment.cents == sum(given.values()) == run.cents
    assert 0 <= CHARGED - run.cents < len(PARTIES)
    assert town.balance("receivable", "Anna") == sum(before.values()) == CHARGED * CENT


def test_no_bank_file_pays_or_collects_what_the_provider_does() -> None:
    town = Splits(washes=2, has_energy=True)
    asked = Proposal("bank", town.ids["Coop"], None, DAY_OF_RUN)
    run = town.books.database.write_now(
        lambda conn: payouts.propose(conn, town.community, asked, NOW, settled_lines(conn, town.community))
    )
    assert {one.contract for one in run.payouts} == {"Energy"}
    kept = {(one.party, one.contract): one.reason for one in run.held}
    assert [kept[name, "Washes"] for name in ("Repairer", "Bank", "Fund")] == [Kept.OTHER_WAY] * 3
    read = town.books.database.read_now
    assert {one.payer for one in read(all_dues, town.community, NOW)} == {"Ben"}
    owing = read(debits.owing, town.community)
    assert {payer for payers in owing.values() for payer in payers} == {town.ids["Ben"]}
    assert read(bank.payers, town.community, town.ids["Coop"]) == [town.ids["Ben"]]
    assert read(bank.claims_on, town.community, town.ids["Coop"], town.ids["Anna"], "EUR") == []
    town.books.database.close()


def test_the_files_say_the_same_and_are_the_same_bytes_for_ever(town: Splits) -> None:
    run = town.propose()
    refused(town, SplitRefused, "is not released; a second person must approve it", town.file)
    town.approve()
    first, other = town.file(Format.CSV), town.file(Format.JSON)
    town.sent()
    town.tell(Outcome.PAID)
    town.account("Bank", "acct_another")
    assert (town.file(Format.CSV), town.file(Format.JSON)) == (first, other)
    rows = list(csv.DictReader(io.StringIO(first.decode(), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(run.cents) / 100
    assert {row["charge"] for row in rows} == {f"{run.cents / 100:.2f}"}
    said = json.loads(other)
    (payment,) = said["payments"]
    assert said["total"] == payment["charge"] == rows[0]["charge"]
    assert [(one["party_account"], one["amount"]) for one in payment["split"]] == [
        (row["party_account"], row["amount"]) for row in rows
    ]
    assert (payment["payment"], payment["payer_account"]) == (run.payments[0].name, "cus_anna")
    assert b"Anna" not in first + other


def test_what_the_provider_paid_closes_the_books(town: Splits) -> None:
    before, paid = town.owed(), town.to_the_provider()
    assert town.owed() == before  # nothing is booked before the provider has paid
    run = town.tell(Outcome.PAID)
    assert run.stored.state is RunState.SETTLED
    assert town.owed() == {name: nano % CENT for name, nano in before.items()}
    assert town.balance("receivable", "Anna") == CHARGED * CENT - paid.cents * CENT
    assert town.balance("bank", "Coop") == 0
    assert town.books.audit() == []
    again = town.books.dump()
    assert town.tell(Outcome.PAID) == run
    assert town.books.dump() == again


def test_what_is_below_a_cent_waits_and_is_charged_later(town: Splits) -> None:
    first = town.to_the_provider()
    town.tell(Outcome.PAID)
    refused(town, SplitRefused, "has nothing to instruct; nothing is due", lambda: town.propose("two"))
    town.world.wash(T0 + 31 * DAY, "30")
    town.world.close(DECEMBER, AFTER_DECEMBER)
    before = town.owed()
    second = town.propose("two", now_ms=AFTER_DECEMBER, day=date(2027, 1, 5))
    assert {part.name: part.cents for part in second.payments[0].parts} == {
        name: nano // CENT for name, nano in before.items() if nano >= CENT
    }
    assert 0 <= CHARGED + 120 - first.cents - second.cents < len(PARTIES)


def test_statements_and_evidence_hold_what_the_provider_paid(town: Splits) -> None:
    run = town.to_the_provider()
    town.tell(Outcome.PAID)
    town.world.wash(T0 + 31 * DAY, "30")
    town.world.close(DECEMBER, AFTER_DECEMBER)
    for name in ("Bank", "Anna"):
        made = town.world.evidence(name, DECEMBER, town.chains["Washes"])
        report = town.world.verify(made, name)
        assert report.ok, report
    closing = {
        bytes(row["party"]): row["closing"]
        for row in town.books.rows(schema.statement)
        if bytes(row["chain"]) == town.chains["Washes"]
    }
    assert closing[town.ids["Anna"]] == -town.balance("receivable", "Anna")
    assert {name: closing[town.ids[name]] for name in PARTIES} == town.owed()
    assert run.cents > 0


def test_what_was_refused_or_came_back_is_instructed_again(town: Splits) -> None:
    before, run = town.owed(), town.to_the_provider()
    town.tell(Outcome.REFUSED)
    assert town.owed() == before
    again = town.to_the_provider(2, "two")
    assert again.cents == run.cents
    assert again.payments[0].id != run.payments[0].id
    town.tell(Outcome.PAID, 2)
    back = town.tell_returned(2)
    assert back.payments[0].outcome is Outcome.RETURNED
    assert town.owed() == before
    assert town.books.audit() == []
    assert town.propose("three").cents == run.cents


def test_outcomes_that_cannot_follow_are_refused(town: Splits) -> None:
    run = town.to_the_provider()
    name = run.payments[0].name
    refused(town, SplitRefused, "was not paid yet", lambda: town.take(f"payment,outcome\n{name},returned\n"))
    town.tell(Outcome.REFUSED)
    refused(
        town,
        SplitRefused,
        "is refused already and cannot become paid",
        lambda: town.take(f"payment,outcome\n{name},paid\n"),
    )


def test_the_providers_file_is_taken_whole_or_not_at_all(town: Splits) -> None:
    name = town.to_the_provider().payments[0].name
    for text, kind, words in (
        ("", BadInput, "line 1, payment: must be the name of one column"),
        ("payment\nx\n", BadInput, "line 1, outcome"),
        (f"payment,outcome\n{name}\n", BadInput, "line 2: has 1 columns, the first line has 2"),
        (f"payment,outcome\n{name},maybe\n", BadInput, "line 2, outcome: is 'maybe'; write one of paid, refused"),
        ("payment,outcome\nabc,paid\n", BadInput, "line 2, payment: is 'abc'"),
        (f"payment,outcome\n{name},paid\n{name},refused\n", BadInput, "line 3, outcome: is refused, and paid on a"),
        ("payment,outcome\n", BadInput, "file: names no payment"),
        (f"payment,outcome\n{name},paid\n{'0' * 32},paid\n", NotFound, f"{'0' * 32} was never instructed here"),
    ):
        refused(town, kind, words, lambda text=text: town.take(text))  # type: ignore[misc]
    refused(
        town,
        BadInput,
        "is no UTF-8 at byte 0",
        lambda: town.books.database.write_now(service.take, town.community, b"\xff", town.ids["Coop"], NOW),
    )
    (run,) = town.take(f"\ufeffoutcome;x,payment,outcome\n\n,{name.upper()},Paid\n")
    assert run.stored.state is RunState.SETTLED
    before = town.books.dump()
    assert town.take(f"payment,outcome\n{name},paid\n") == [run]
    assert town.books.dump() == before


def test_a_party_without_an_account_keeps_the_payment_back(town: Splits) -> None:
    def forget(conn: object) -> None:
        conn.execute(schema.split_account.delete().where(schema.split_account.c.party == town.ids["Bank"]))  # type: ignore[attr-defined]

    town.books.database.write_now(forget)
    refused(town, SplitRefused, "held back: Anna (Washes): no account at the provider", town.propose)
    draft = town.books.database.read_now(
        service.preview, town.community, Proposal("", town.ids["Coop"], None, DAY_OF_RUN), NOW
    )
    assert draft.plan.held[0].next_step == "tallystick split account 'Bank' ID; it is missing for Bank"


def test_accounts_are_one_of_each_and_printable(town: Splits) -> None:
    refused(town, BadInput, "acct_bank is the account of Bank already", lambda: town.account("Fund", "acct_bank"))
    refused(town, BadInput, "without spaces", lambda: town.account("Fund", "a b"))
    refused(town, BadInput, "1 to 64", lambda: town.account("Fund", "x" * 65))


def test_the_money_of_a_disputed_use_is_not_charged(town: Splits) -> None:
    use = next(bytes(row["use_id"]) for row in town.books.rows(schema.use) if row["programme"] == "60")
    whole = town.books.database.read_now(
        service.preview, town.community, Proposal("", town.ids["Coop"], None, DAY_OF_RUN), NOW
    )
    town.propose()
    write = town.books.database.write_now
    write(open_dispute, town.community, Said(use, town.ids["Anna"], "it was not me"), NOW)
    refused(town, SplitRefused, "is due less now than run 1 gives; cancel it", town.approve)
    write(service.cancel, town.community, 1, town.ids["Coop"], NOW)
    less = town.propose("two")
    assert abs(whole.plan.payments[0].cents - 185 - less.cents) < len(PARTIES)
    write(service.cancel, town.community, 2, town.ids["Coop"], NOW)
    decide_it = Said(use, town.ids["Maria"], "the door was broken")
    town.books.database.write_now(lambda conn: decide(conn, town.community, decide_it, is_right=True, now_ms=NOW))
    town.world.close(DECEMBER, AFTER_DECEMBER)
    final = town.propose("three", now_ms=AFTER_DECEMBER, day=date(2027, 1, 5))
    assert 0 <= CHARGED - 185 - final.cents < len(PARTIES)


def test_a_use_taken_back_after_it_was_paid_lowers_the_next_payment(town: Splits) -> None:
    town.to_the_provider()
    town.tell(Outcome.PAID)
    use = next(bytes(row["use_id"]) for row in town.books.rows(schema.use) if row["programme"] == "30")
    write = town.books.database.write_now
    write(open_dispute, town.community, Said(use, town.ids["Anna"], "cold"), NOW)
    said = Said(use, town.ids["Maria"], "it was")
    town.books.database.write_now(lambda conn: decide(conn, town.community, said, is_right=True, now_ms=NOW))
    town.world.wash(T0 + 31 * DAY, "60")
    town.world.close(DECEMBER, AFTER_DECEMBER)
    settled = sum(town.books.database.read_now(store.dues, town.chains["Washes"]).values())
    done = sum(town.books.database.read_now(store.instructed, town.community).values())
    assert settled - done == town.balance("receivable", "Anna")
    run = town.propose("two", now_ms=AFTER_DECEMBER, day=date(2027, 1, 5))
    assert 0 <= CHARGED - 120 + 185 - run.cents - CHARGED <= len(PARTIES)
    assert all(part.cents > 0 for part in run.payments[0].parts)
    assert run.cents * CENT <= town.balance("receivable", "Anna")


def test_a_use_that_no_settlement_has_taken_back_yet_is_not_charged(town: Splits) -> None:
    use = next(bytes(row["use_id"]) for row in town.books.rows(schema.use) if row["programme"] == "60")
    town.books.database.write_now(open_dispute, town.community, Said(use, town.ids["Anna"], "cold"), NOW)
    said = Said(use, town.ids["Maria"], "it was")
    town.books.database.write_now(lambda conn: decide(conn, town.community, said, is_right=True, now_ms=NOW))
    run = town.propose()
    assert run.cents * CENT <= town.balance("receivable", "Anna") < run.cents * CENT + CENT


def test_who_may_and_in_which_order(town: Splits) -> None:
    refused(town, NotSecondPerson, "Repairer may not handle", lambda: town.propose(by="Repairer"))
    run = town.propose()
    assert town.propose() == run
    refused(town, SplitRefused, "1 of Coop is proposed; send it or cancel it first", lambda: town.propose("two"))
    refused(town, SplitRefused, "named run 1 with other content", lambda: town.propose(by="Maria"))
    refused(town, NotSecondPerson, "Coop proposed run 1; somebody else", lambda: town.approve("Coop"))
    refused(town, NotSecondPerson, "Ben may not release", lambda: town.approve("Ben"))
    refused(town, SplitRefused, "is proposed; write its file first", town.sent)
    refused(town, SplitRefused, "is proposed; mark it as sent first", lambda: town.tell(Outcome.PAID))
    town.account("Bank", "acct_2")
    refused(town, SplitRefused, "Bank: has another account at the provider than in run 1", town.approve)
    town.account("Bank", "acct_bank")
    assert town.approve("Repairer").stored.state is RunState.APPROVED


def test_a_contract_whose_money_a_bank_moves_has_nothing_to_split() -> None:
    town = Splits(washes=1, contract=PSP.replace('mode = "psp"', 'mode = "principal"'))
    refused(town, SplitRefused, 'no contract here has `mode = "psp"`', town.propose)
    town.books.database.close()


def test_below_the_threshold_nobody_is_charged() -> None:
    town = Splits(washes=1, contract=PSP.replace("payout_threshold = 0.10", "payout_threshold = 5.00"))
    refused(town, SplitRefused, "held back: Anna (Washes): below the threshold", town.propose)
    town.books.database.close()


def test_what_a_provider_charges_at_least_is_a_term_of_its_own() -> None:
    least = PSP.replace("payout_threshold = 0.10", "charge_threshold = 1.00")
    town = Splits(washes=1, contract=least)
    assert 100 <= town.propose().cents <= 120, "the payout threshold of 10 is for transfers"
    town.books.database.close()
    town = Splits(washes=1, contract=least.replace("1.00", "1.21"))
    refused(town, SplitRefused, "held back: Anna (Washes): below the threshold", town.propose)
    town.books.database.close()


def test_a_person_who_was_erased_is_no_customer_of_the_provider_any_more(town: Splits) -> None:
    town.propose()
    town.books.database.write_now(service.cancel, town.community, 1, town.ids["Coop"], NOW)
    town.books.database.write_now(erase_payer, town.community, town.ids["Anna"], NOW)
    assert town.ids["Anna"] not in {bytes(row["party"]) for row in town.books.rows(schema.split_account)}
    assert [row["payer_account"] for row in town.books.rows(schema.split_payment)] == [store.ERASED_ACCOUNT]


def test_when_a_run_is_over_an_erased_person_is_in_it_without_an_account(town: Splits) -> None:
    run = town.to_the_provider()
    town.books.database.write_now(erase_payer, town.community, town.ids["Anna"], NOW)
    assert [row["payer_account"] for row in town.books.rows(schema.split_payment)] == ["cus_anna"], "it is not over"
    assert b"cus_anna" in town.file()
    town.tell(Outcome.PAID)
    for name in ("Anna", "Bank"):
        town.books.database.write_now(erase_payer, town.community, town.ids[name], NOW)
    assert [row["payer_account"] for row in town.books.rows(schema.split_payment)] == [store.ERASED_ACCOUNT]
    given = {bytes(row["party"]): row["provider_account"] for row in town.books.rows(schema.split_part)}
    assert given[town.ids["Bank"]] == store.ERASED_ACCOUNT
    assert given[town.ids["Repairer"]] == "acct_rep"
    refused(town, SplitRefused, "its file cannot be written again", town.file)
    (payment,) = run.payments
    town.take(f"payment,outcome\n{payment.name},returned\n")  # the provider says it by name, whoever was erased
    assert town.books.audit() == []


def test_the_owner_sees_what_the_provider_has_as_on_the_way(town: Splits) -> None:
    reader = Reader(town.community, town.ids["Repairer"], False, "test", NOW)

    def home(now_ms: int = NOW) -> Home:
        return town.books.run(owner.home, reader, Span.of("2026-12", now_ms, "UTC"))  # type: ignore[return-value]

    def now() -> tuple[int, int, int, int]:
        line = home().line
        return line.accrued, line.confirmed, line.on_the_way, line.paid

    share = town.owed()["Repairer"]
    assert now() == (0, share, 0, 0)
    town.propose()
    assert (now(), home().payouts[0].stage) == ((0, share, 0, 0), Stage.PROPOSED)
    town.approve()
    assert now() == (0, 0, share, 0)
    town.file()
    town.sent()
    assert now() == (0, 0, share, 0)
    said = view.steps(home(), Wording("en", ZoneInfo("UTC")))
    assert {one.key: one.note for one in said}["way"].startswith("with the payment provider since ")
    town.tell(Outcome.REFUSED)
    assert (now(), home().payouts[0].stage) == ((0, share, 0, 0), Stage.REFUSED)
    town.to_the_provider(number=2, key="two")
    town.tell(Outcome.PAID, 2)
    assert now() == (0, 0, 0, share)
    assert [one.stage for one in home().payouts] == [Stage.PAID, Stage.REFUSED]
    assert home().has_account, "nobody needs an IBAN of it"


def test_when_every_use_is_disputed_that_is_the_reason(town: Splits) -> None:
    for row in town.books.rows(schema.use):
        if row["asset"] == "washer":
            said = Said(bytes(row["use_id"]), town.ids["Anna"], "not mine")  # type: ignore[call-overload]
            town.books.database.write_now(open_dispute, town.community, said, NOW)
    refused(town, SplitRefused, "held back: Anna (Washes): disputed", town.propose)


@pytest.mark.parametrize("mode", [Mode.PRINCIPAL, Mode.DIRECT])
def test_a_version_cannot_change_who_collects(town: Splits, mode: Mode) -> None:
    row = next(row for row in town.books.rows(schema.contract_version) if row["name"] == "Washes")
    h = bytes(row["h"])  # type: ignore[call-overload]
    old = Contract.decode(bytes(row["payload"]))  # type: ignore[call-overload]
    draft = follows(town.books, h, old, mode=mode, effective_from_ms=NOW + DAY)
    context, hosted = town.books.aggregator.of(town.community), town.books.founded.hosted
    refused(
        town,
        ContractRefused,
        "end this contract and propose a new one",
        lambda: town.books.run(agree, context, draft, hosted, Randomness("mode"), NOW),
    )
    same = follows(town.books, h, old, name="Washes 2", effective_from_ms=NOW + DAY)
    town.books.run(agree, context, same, hosted, Randomness("mode"), NOW)


def test_a_pool_and_another_unit_do_not_fit_a_provider() -> None:
    with pytest.raises(ContractRefused, match="a pool closes on sums that no payment provider can split"):
        open_community(text=toml().replace('collector = "CER"', 'collector = "CER"\nmode = "psp"'))
    points = PSP.replace('unit = "EUR"', 'unit = "points"')
    with pytest.raises(ContractRefused, match="a payment provider moves no points"):
        open_books(town=split_town().replace('unit = "EUR"', 'unit = "points"'), contracts={"washes.toml": points})
