"""After the washing: the month ends on the right morning, what fails is amiss, the wash that repays is found."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tallystick_sim.aftermath import Aftermath, after_the_washing
from tallystick_sim.aggregator import Aggregator, AggregatorError
from tallystick_sim.at_the_bank import BankDay
from tallystick_sim.cheat import Tried, table_of
from tallystick_sim.cheat_plays import NAMES, PAST_THE_METER
from tallystick_sim.documents import Documents
from tallystick_sim.milestones import LENDER, flip
from tallystick_sim.month_end import Held, MonthEnd, Payout, morning_after
from tallystick_sim.payers import Payer, payer_of
from tallystick_sim.programs import ProgramError, run_program
from tallystick_sim.proofs import Proof, files_of
from tallystick_sim.snapshot import Charge

PAID = (Payout("Elena", "Washes", 100),)
MONTH = MonthEnd("2026-11-22", 5, PAID, (Held("Fund", "no account"),), Path("bank.xml"), {"TALLYSTICK_CLOCK": "1,2,3"})


def wash(lender_nano: int, fee_nano: int = 1_850_000_000) -> Charge:
    return Charge("washer-1", "60", fee_nano, {LENDER: lender_nano, "others": fee_nano - lender_nano})


@pytest.mark.parametrize(
    ("day", "morning"),
    [((2026, 11, 22), (2026, 12, 1)), ((2026, 12, 31), (2027, 1, 1)), ((2028, 2, 1), (2028, 3, 1))],
)
def test_the_month_ends_on_the_first_of_the_next(day: tuple[int, int, int], morning: tuple[int, int, int]) -> None:
    assert morning_after(datetime(*day, 7, 30, tzinfo=UTC)) == datetime(*morning, 8, tzinfo=UTC)


def test_the_wash_that_repays_the_loan_is_the_one_with_a_part_of_the_share() -> None:
    whole, part, none = wash(680_000_000), wash(160_000_000), wash(0)
    assert flip([whole, part, none]) is part
    assert flip([whole, none]) is None
    assert flip([wash(679_999_999)]) is None  # rounding


def test_everybody_who_is_owed_money_is_named_once() -> None:
    assert MONTH.owed == ("Elena", "Fund")


def test_a_good_end_has_nothing_amiss_and_reports_payouts_evidence_and_cheats() -> None:
    proof = Proof("Elena", Path("e"), Path("p"), "valid", True)
    done = Aftermath(MONTH, (proof,), (Tried("x", "tries", True, "m"), Tried(PAST_THE_METER, "tries", False, "m")))
    assert done.amiss == []
    said = done.content()
    assert said["payouts"] == [{"party": "Elena", "contract": "Washes", "cents": 100, "file": "bank.xml"}]
    assert said["evidence"] == [{"party": "Elena", "file": "e", "policy": "p", "verdict": "valid"}]
    assert said["cheats"][0] == {"kind": "x", "detected": True, "message": "m"}


@pytest.mark.parametrize(
    ("done", "word"),
    [
        (Aftermath(MONTH, (Proof("Elena", Path("e"), Path("p"), "does not fit", False),)), "Elena does not verify"),
        (Aftermath(MONTH, cheats=(Tried("deleted-wash", "tries", False, "valid"),)), "deleted-wash"),
        (Aftermath(MonthEnd("2026-11-22", 5, (), (), Path("x"), {})), "nobody was paid"),
        (Aftermath(MONTH, payers=(Payer("Marta", 0, 0), Payer("Jonas", 1, 12)), all_wash=True), "Marta had a slot"),
        (Aftermath(replace(MONTH, bank_day=BankDay(Path("s"), 1, 2, 1, 0, 0, 0))), "1 entries of the bank's statement"),
        (Aftermath(replace(MONTH, bank_day=BankDay(Path("s"), 1, 2, 0, 0, 7, 0))), "differ by 7 nano"),
        (Aftermath(replace(MONTH, bank_day=BankDay(Path("s"), 1, 2, 0, 0, 0, 3))), "3 users paid and still owe"),
        (Aftermath(replace(MONTH, documents=Documents(3, 2, 2, ("Anna",)))), "the invoice of Anna is not what is due"),
        (Aftermath(replace(MONTH, documents=Documents(3, 1, 2, ()))), "2 payouts, but 1 documents"),
        (Aftermath(failed="the words of a program"), "the words of a program"),
    ],
)
def test_what_is_not_right_is_amiss(done: Aftermath, word: str) -> None:
    assert len(done.amiss) == 1
    assert word in done.amiss[0]


def test_a_short_demo_need_not_have_washed_for_everybody() -> None:
    done = Aftermath(MONTH, payers=(Payer("Marta", 0, 0), Payer("Jonas", 1, 12)))
    assert done.amiss == []
    assert done.content()["members"][1] == {"member": "Jonas", "washes": 1, "fees_nano": "12"}


def test_what_a_member_pays_is_read_from_its_statements() -> None:
    rows = [
        {"what": "opening", "amount_nano": None},
        {"what": "use", "amount_nano": "-1200000000"},
        {"what": "use", "amount_nano": "0"},
        {"what": "payment", "amount_nano": "1200000000"},
    ]
    said = [{"contract": "Washes at Casa Aurora", "rows": rows}, {"contract": "Electricity", "rows": rows}]
    assert payer_of("Marta", said) == Payer("Marta", 1, 1_200_000_000)
    with pytest.raises(AggregatorError, match="statements of Marta"):
        payer_of("Marta", [{"contract": "Washes at Casa Aurora"}])


def test_a_folder_without_a_demo_fails_in_words(tmp_path: Path) -> None:
    told: list[str] = []
    done = asyncio.run(after_the_washing(tmp_path, 1_795_003_200_000, told.append, Aggregator("http://localhost:1")))
    assert done.month is None
    assert "tallystick" in done.amiss[0]
    with pytest.raises(ProgramError, match="is no demo's folder"):
        table_of(tmp_path)


def test_a_program_that_fails_is_quoted() -> None:
    words = (sys.executable, "-c", "import sys; sys.exit('no ink')")
    with pytest.raises(ProgramError, match="no ink"):
        asyncio.run(run_program(words))
    assert asyncio.run(run_program(words, codes=(1,))).code == 1


def test_a_party_has_files_of_its_own_name(tmp_path: Path) -> None:
    file, policy = files_of(tmp_path, "Flat share, top floor")
    assert (file.name, policy.name) == ("flat-share-top-floor.evidence", "flat-share-top-floor.policy.json")


def test_every_cheat_says_what_the_host_tries() -> None:
    assert len(NAMES) == 8
    assert all(NAMES.values())
